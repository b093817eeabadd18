// A document for React to render to. Import it before React DOM, which checks for a document when it is loaded.
import { JSDOM } from "jsdom";

const { window } = new JSDOM();
for (const [name, value] of Object.entries({
  window,
  document: window.document,
  navigator: window.navigator,
  IS_REACT_ACT_ENVIRONMENT: true,
})) {
  // In newer releases of Node.js, an assignment does not replace `navigator`.
  Object.defineProperty(globalThis, name, { value, writable: true, configurable: true });
}
