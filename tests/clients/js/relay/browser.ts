// A document for React to render to. To be imported before React DOM, which looks for it when it is loaded.
import { JSDOM } from "jsdom";

const { window } = new JSDOM();
for (const [name, value] of Object.entries({
  window,
  document: window.document,
  navigator: window.navigator,
  IS_REACT_ACT_ENVIRONMENT: true,
})) {
  // Newer releases of Node.js have a navigator that an assignment would not replace.
  Object.defineProperty(globalThis, name, { value, writable: true, configurable: true });
}
