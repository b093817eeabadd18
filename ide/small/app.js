// The script of the fallback GraphiQL page. It has no dependencies and no build step.
//
// It sends requests to its own origin only. Input, the token included, is kept in memory only: nothing is written to a
// URL, a cookie or the browser's storage. Text from the server is inserted as text nodes, never as markup.
import { exampleIds, orderedExamples } from './{{examples.js}}';

// Relative to `/graphiql`, because a proxy may serve the gateway under another path.
const SETTINGS_URL = 'graphiql/config.json';
const ENDPOINT = 'graphql';
const ANSWERS = 'application/graphql-response+json, application/json;q=0.9, text/event-stream;q=0.5';
// Longer text is not highlighted, because that would be slow.
const MAX_COLOURED_CHARACTERS = 200_000;

const byId = (id) => document.getElementById(id);

/** An element with properties and children; a string child becomes a text node. */
function element(tag, properties = {}, ...children) {
  const node = Object.assign(document.createElement(tag), properties);
  node.append(...children);
  return node;
}

// --- Highlighting ----------------------------------------------------------------------------------------------------

// Each alternative has one class, in this order. Other text is not highlighted.
const LANGUAGES = {
  graphql: {
    tokens: /(#[^\n]*)|("""[\s\S]*?(?:"""|$)|"(?:\\.|[^"\\\n])*"?)|(\$\w+)|(@\w+)|(\.\.\.(?:\s*on\b)?|\b(?:query|mutation|subscription|fragment|on)\b)|(\b(?:true|false|null)\b|-?\b\d+(?:\.\d+)?(?:[eE][+-]?\d+)?\b)|(\b[A-Z]\w*\b)|([A-Za-z_]\w*(?=\s*:))/g,
    classes: ['comment', 'string', 'variable', 'directive', 'keyword', 'literal', 'typename', 'key'],
  },
  json: {
    tokens: /("(?:\\.|[^"\\\n])*"(?=\s*:))|("(?:\\.|[^"\\\n])*"?)|(\b(?:true|false|null)\b|-?\b\d+(?:\.\d+)?(?:[eE][+-]?\d+)?\b)/g,
    classes: ['key', 'string', 'literal'],
  },
};

/** Replaces the content of `target` by highlighted text. */
function paint(target, text, language) {
  target.replaceChildren(text.length > MAX_COLOURED_CHARACTERS ? text : coloured(text, language));
}

function coloured(text, language) {
  const { tokens, classes } = LANGUAGES[language];
  const painted = document.createDocumentFragment();
  let end = 0;
  for (const match of text.matchAll(tokens)) {
    if (match.index > end) painted.append(text.slice(end, match.index));
    const kind = classes[match.slice(1).findIndex((group) => group !== undefined)];
    painted.append(element('span', { className: `t-${kind}` }, match[0]));
    end = match.index + match[0].length;
  }
  painted.append(text.slice(end));
  return painted;
}

/** Replaces the content of `target` by indented JSON. A wrapped line continues at its own indentation. */
function paintLines(target, text) {
  if (text.length > MAX_COLOURED_CHARACTERS) {
    target.textContent = text;
    return;
  }
  target.replaceChildren(...text.split('\n').map((line) => {
    const row = element('span', { className: 'row' }, coloured(line, 'json'));
    const indent = line.search(/\S|$/) + 2;
    row.style.paddingInlineStart = `${indent}ch`;
    row.style.textIndent = `-${indent}ch`;
    return row;
  }));
}

// --- Editor -------------------------------------------------------------------------------------------------------

/** A textarea with line numbers, highlighting and automatic indentation. */
class Editor {
  #input;
  #colours;
  #lines;
  #language;
  // After Escape, the next Tab moves the focus out of the editor.
  #tabLeaves = false;

  constructor(input) {
    const frame = input.closest('.editor');
    this.#input = input;
    this.#colours = frame.querySelector('.editor-paint code');
    this.#lines = frame.querySelector('.editor-lines');
    this.#language = frame.dataset.language;
    input.addEventListener('input', () => this.#repaint());
    input.addEventListener('scroll', () => this.#follow(), { passive: true });
    input.addEventListener('keydown', (event) => this.#key(event));
    input.addEventListener('blur', () => { this.#tabLeaves = false; });
    this.#repaint();
  }

  get text() {
    return this.#input.value;
  }

  set text(text) {
    this.#input.value = text;
    this.#input.setSelectionRange(0, 0);
    this.#input.scrollTo(0, 0);
    this.#repaint();
  }

  get caret() {
    return this.#input.selectionStart;
  }

  focus() {
    this.#input.focus();
  }

  onInput(listener) {
    this.#input.addEventListener('input', listener);
  }

  #repaint() {
    const text = this.#input.value;
    // An empty last line would have no height.
    paint(this.#colours, text.endsWith('\n') ? `${text} ` : text, this.#language);
    const count = text.split('\n').length;
    this.#lines.replaceChildren(
      element('div', {}, Array.from({ length: count }, (_, index) => index + 1).join('\n')),
    );
    this.#follow();
  }

  #follow() {
    const { scrollLeft, scrollTop } = this.#input;
    this.#colours.style.transform = `translate(${-scrollLeft}px, ${-scrollTop}px)`;
    this.#lines.firstChild.style.transform = `translateY(${-scrollTop}px)`;
  }

  #key(event) {
    if (event.isComposing || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === 'Escape') {
      this.#tabLeaves = true;
      return;
    }
    if (event.key === 'Tab' && !this.#tabLeaves) {
      event.preventDefault();
      if (event.shiftKey) this.#shiftLines(-1);
      else if (this.#input.selectionStart === this.#input.selectionEnd) this.#insert('  ');
      else this.#shiftLines(1);
    } else if (event.key === 'Enter' && !event.shiftKey) {
      event.preventDefault();
      this.#newLine();
    } else if (event.key === '}' || event.key === ']' || event.key === ')') {
      this.#closeBracket(event);
    }
    if (event.key !== 'Shift' && event.key !== 'Tab') this.#tabLeaves = false;
  }

  #newLine() {
    const { value, selectionStart: start, selectionEnd: end } = this.#input;
    const line = value.slice(value.lastIndexOf('\n', start - 1) + 1, start);
    const indent = line.match(/^[ \t]*/)[0];
    const opens = /[{[(]\s*$/.test(line);
    const closes = /^[ \t]*[}\])]/.test(value.slice(end));
    this.#insert(`\n${indent}${opens ? '  ' : ''}`);
    if (opens && closes) {
      const caret = this.#input.selectionStart;
      this.#insert(`\n${indent}`);
      this.#input.setSelectionRange(caret, caret);
    }
  }

  // A closing bracket at the start of a line reduces its indentation by one step.
  #closeBracket(event) {
    const { value, selectionStart: start, selectionEnd: end } = this.#input;
    const lineStart = value.lastIndexOf('\n', start - 1) + 1;
    if (start !== end || !/^ {2,}$/.test(value.slice(lineStart, start))) return;
    event.preventDefault();
    this.#input.setSelectionRange(start - 2, start);
    this.#insert(event.key);
  }

  #shiftLines(direction) {
    const { value, selectionStart, selectionEnd } = this.#input;
    const from = value.lastIndexOf('\n', selectionStart - 1) + 1;
    const until = value.indexOf('\n', Math.max(selectionEnd - (selectionEnd > selectionStart ? 1 : 0), from));
    const to = until < 0 ? value.length : until;
    const before = value.slice(from, to);
    const after = direction > 0 ? before.replace(/^(?=.)/gm, '  ') : before.replace(/^ {1,2}/gm, '');
    if (after === before) return;
    const moved = (after.split('\n')[0].length) - (before.split('\n')[0].length);
    this.#input.setSelectionRange(from, to);
    this.#insert(after);
    if (selectionStart === selectionEnd) {
      const caret = Math.max(from, selectionStart + moved);
      this.#input.setSelectionRange(caret, caret);
    } else {
      this.#input.setSelectionRange(from, from + after.length);
    }
  }

  #insert(text) {
    // Deprecated, but the only way to keep the browser's undo; `setRangeText` is the fallback.
    if (!document.execCommand?.('insertText', false, text)) {
      const { selectionStart, selectionEnd } = this.#input;
      this.#input.setRangeText(text, selectionStart, selectionEnd, 'end');
      this.#repaint();
    }
  }
}

// --- Request ------------------------------------------------------------------------------------------------------

/** An error in the input, shown beside its editor. */
class InputMistake extends Error {
  constructor(where, message) {
    super(message);
    this.where = where;
  }
}

function jsonObject(text, where) {
  if (text.trim() === '') return undefined;
  let value;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new InputMistake(where, `Not valid JSON: ${error.message}`);
  }
  if (value === null || typeof value !== 'object' || Array.isArray(value)) {
    throw new InputMistake(where, 'Enter a JSON object, for example { "name": "value" }');
  }
  return value;
}

function requestHeaders(text, token) {
  const headers = new Headers({ Accept: ANSWERS, 'Content-Type': 'application/json' });
  const bearer = token.trim().replace(/^bearer\s+/i, '');
  if (/[^\x21-\x7e]/.test(bearer)) {
    throw new InputMistake('headers', 'The token contains a space or another invalid character. Paste it again.');
  }
  if (bearer !== '') headers.set('Authorization', `Bearer ${bearer}`);
  for (const [name, value] of Object.entries(jsonObject(text, 'headers') ?? {})) {
    try {
      headers.set(name, String(value));
    } catch {
      throw new InputMistake('headers', `Invalid header: ${name}`);
    }
  }
  return headers;
}

/** The operations of a document, with name and start. */
function operationsOf(text) {
  const operations = [];
  let depth = 0;
  const marks = /#[^\n]*|"""[\s\S]*?(?:"""|$)|"(?:\\.|[^"\\\n])*"?|[{}()]|\b(query|mutation|subscription)\b(?:\s+([A-Za-z_]\w*))?/g;
  for (const match of text.matchAll(marks)) {
    if (match[0] === '{' || match[0] === '(') depth += 1;
    else if (match[0] === '}' || match[0] === ')') depth -= 1;
    else if (depth === 0 && match[1]) operations.push({ name: match[2], start: match.index });
  }
  return operations;
}

/** The operation at the caret, if the document has several. */
function chosenOperation(text, caret) {
  const operations = operationsOf(text);
  if (operations.length < 2) return undefined;
  return (operations.findLast((operation) => operation.start <= caret) ?? operations[0]).name;
}

function bytes(count) {
  if (count < 1000) return `${count} B`;
  return count < 1_000_000 ? `${(count / 1000).toFixed(1)} kB` : `${(count / 1_000_000).toFixed(1)} MB`;
}

function milliseconds(count) {
  return count < 1000 ? `${Math.round(count)} ms` : `${(count / 1000).toFixed(2)} s`;
}

// --- Schema -------------------------------------------------------------------------------------------------------

// Three levels of `ofType` reach the named type of `[T!]!`. Fewer levels cost less under a depth limit.
const INTROSPECTION = `query Introspection {
  __schema {
    queryType { name }
    mutationType { name }
    subscriptionType { name }
    types {
      kind name description
      fields(includeDeprecated: true) {
        name description isDeprecated deprecationReason
        args { name description defaultValue type { ...Reference } }
        type { ...Reference }
      }
      inputFields { name description defaultValue type { ...Reference } }
      enumValues(includeDeprecated: true) { name description isDeprecated deprecationReason }
      interfaces { name }
      possibleTypes { name }
    }
  }
}
fragment Reference on __Type {
  kind name ofType { kind name ofType { kind name ofType { kind name } } }
}`;

const KEYWORDS = {
  OBJECT: 'type', INTERFACE: 'interface', UNION: 'union', ENUM: 'enum', INPUT_OBJECT: 'input', SCALAR: 'scalar',
};

/** The searchable list of types. Each type name is a link. */
class SchemaView {
  #types = [];
  #open = new Set();
  #search = byId('search');
  #list = byId('types');

  constructor() {
    this.#search.addEventListener('input', () => this.#render());
    this.#list.addEventListener('click', (event) => {
      const name = event.target.closest('a[data-type]')?.dataset.type;
      if (name) {
        event.preventDefault();
        this.reveal(name);
      }
    });
  }

  /** Shows the result of introspection. */
  show(schema) {
    const roots = [schema.queryType, schema.mutationType, schema.subscriptionType].map((type) => type?.name);
    const rank = (type) => (roots.includes(type.name) ? roots.indexOf(type.name) : roots.length);
    this.#types = schema.types
      .filter((type) => !type.name.startsWith('__'))
      .sort((a, b) => rank(a) - rank(b) || a.name.localeCompare(b.name));
    this.#open = new Set(roots.filter(Boolean).slice(0, 2));
    this.#search.disabled = false;
    this.#render();
  }

  /** Shows why there is no schema. */
  fail(message) {
    byId('schema-message').textContent = message;
    byId('schema-message').hidden = false;
  }

  /** Opens a type and focuses it. */
  reveal(name) {
    this.#search.value = '';
    this.#open.add(name);
    this.#render();
    const entry = byId(`type-${name}`);
    entry?.scrollIntoView({ block: 'start' });
    entry?.querySelector('summary').focus({ preventScroll: true });
  }

  #render() {
    const wanted = this.#search.value.trim().toLowerCase();
    const entries = this.#types.map((type) => this.#entry(type, wanted)).filter(Boolean);
    this.#list.replaceChildren(...entries);
    byId('schema-message').hidden = entries.length > 0;
    byId('schema-message').textContent = 'No matches in the schema.';
    byId('schema-count').textContent =
      wanted === '' ? `${this.#types.length} types` : `${entries.length} of ${this.#types.length} types`;
  }

  #entry(type, wanted) {
    const matches = (item) =>
      item.name.toLowerCase().includes(wanted) || (item.description ?? '').toLowerCase().includes(wanted);
    const members = type.fields ?? type.inputFields ?? type.enumValues ?? [];
    const whole = wanted === '' || matches(type);
    const shown = whole ? members : members.filter(matches);
    if (!whole && shown.length === 0) return null;

    const entry = element('details', { id: `type-${type.name}`, className: 'type' });
    entry.open = wanted === '' ? this.#open.has(type.name) : true;
    entry.addEventListener('toggle', () => {
      if (this.#search.value !== '') return;
      if (entry.open) this.#open.add(type.name);
      else this.#open.delete(type.name);
    });
    entry.append(element(
      'summary', {},
      element('span', { className: 'type-kind' }, KEYWORDS[type.kind] ?? type.kind),
      element('span', { className: 'type-name' }, ...(wanted === '' ? breakable(type.name) : marked(type.name, wanted))),
    ));
    if (type.description) entry.append(note(type.description, wanted));
    if (type.interfaces?.length) entry.append(named('implements', type.interfaces));
    if (type.kind === 'INTERFACE' && type.possibleTypes?.length) entry.append(named('implemented by', type.possibleTypes));
    if (type.kind === 'UNION') entry.append(named('one of', type.possibleTypes));
    if (shown.length) {
      entry.append(element('ul', { className: 'members' }, ...shown.map((member) => memberOf(member, wanted))));
    }
    return entry;
  }
}

function memberOf(member, wanted) {
  const line = element('code', { className: 'signature' }, element('span', { className: 't-key' }, ...marked(member.name, wanted)));
  const args = member.args ?? [];
  if (args.length === 1) line.append('(', argument(args[0]), ')');
  if (args.length > 1) {
    const rows = args.map((arg) => element('span', { className: 'argument' }, argument(arg)));
    line.append('(', ...rows, ')');
  }
  if (member.type) line.append(': ', ...reference(member.type));
  if (member.defaultValue != null) line.append(' = ', element('span', { className: 't-literal' }, member.defaultValue));
  const item = element('li', {}, line);
  if (member.isDeprecated) item.append(element('p', { className: 'note deprecated' }, `Deprecated: ${member.deprecationReason ?? ''}`));
  if (member.description) item.append(note(member.description, wanted));
  return item;
}

function argument(arg) {
  const name = element('span', { className: 't-variable', title: arg.description ?? '' }, arg.name);
  const text = element('span', {}, name, ': ', ...reference(arg.type));
  if (arg.defaultValue != null) text.append(' = ', element('span', { className: 't-literal' }, arg.defaultValue));
  return text;
}

function reference(type) {
  if (type.kind === 'NON_NULL') return [...reference(type.ofType), '!'];
  if (type.kind === 'LIST') return ['[', ...reference(type.ofType), ']'];
  return [typeLink(type.name)];
}

function typeLink(name) {
  const link = element('a', { href: `#type-${name}`, className: 't-typename' }, ...breakable(name));
  link.dataset.type = name;
  return link;
}

/** A name that wraps only between its words. */
function breakable(name) {
  return name.split(/(?<=[a-z])(?=[A-Z])/).flatMap((word, index) => (index > 0 ? [element('wbr'), word] : [word]));
}

function named(word, types) {
  const line = element('p', { className: 'note' }, `${word} `);
  types.forEach((type, index) => line.append(index > 0 ? ', ' : '', typeLink(type.name)));
  return line;
}

/** A description. Its paragraphs are kept and their lines joined; text in backticks is code. */
function note(text, wanted) {
  const parts = text.replace(/(?<!\n)\n(?!\n)/g, ' ').split('`').map((part, index) => (index % 2 ? element('code', {}, ...marked(part, wanted)) : marked(part, wanted)));
  return element('p', { className: 'note' }, ...parts.flat());
}

/** A text with each occurrence of `wanted` marked. */
function marked(text, wanted) {
  if (wanted === '') return [text];
  const parts = [];
  const lower = text.toLowerCase();
  let end = 0;
  for (let at = lower.indexOf(wanted); at >= 0; at = lower.indexOf(wanted, end)) {
    parts.push(text.slice(end, at), element('mark', {}, text.slice(at, at + wanted.length)));
    end = at + wanted.length;
  }
  return [...parts, text.slice(end)];
}

// --- The page -----------------------------------------------------------------------------------------------------

const operation = new Editor(byId('operation'));
const variables = new Editor(byId('variables'));
const headers = new Editor(byId('headers'));
const schemaView = new SchemaView();

/** Ids for the examples, from the server and later from responses. */
const ids = {};
/** The edited text of each example, which is kept when another example is selected. */
const drafts = new Map();
/** The examples in the order of the page, which depends on the upstream. */
let examples = orderedExamples();
let shownExample;
let shownText = '';
let running;

function showExample(name) {
  if (shownExample) drafts.set(shownExample, { operation: operation.text, variables: variables.text });
  const example = examples.find((candidate) => candidate.name === name);
  const draft = drafts.get(name) ?? {
    operation: example.operation,
    variables: JSON.stringify(example.variables(ids), null, 2),
  };
  shownExample = name;
  byId('example').value = name;
  operation.text = draft.operation;
  variables.text = draft.variables;
  showMistake();
}

function resetExample() {
  drafts.delete(shownExample);
  const name = shownExample;
  shownExample = undefined;
  showExample(name);
}

function offerExamples(available) {
  const offered = examples.filter(available);
  const groups = [...new Set(offered.map(({ type }) => type))].map((type) => {
    const options = offered.filter((example) => example.type === type)
      .map((example) => element('option', { value: example.name }, example.name));
    return element('optgroup', { label: type }, ...options);
  });
  byId('example').replaceChildren(...groups);
  if (offered.some((example) => example.name === shownExample)) byId('example').value = shownExample;
  else if (offered.length > 0) showExample(offered[0].name);
}

function showMistake(mistake) {
  for (const where of ['variables', 'headers']) {
    const problem = byId(`${where}-problem`);
    problem.hidden = mistake?.where !== where;
    problem.textContent = mistake?.where === where ? mistake.message : '';
    byId(where).setAttribute('aria-invalid', String(mistake?.where === where));
  }
  if (mistake) {
    selectTab(byId(`tab-${mistake.where}`));
    byId(mistake.where).focus();
  }
}

function showBanner(kind, strong, text) {
  byId('banner').dataset.kind = kind;
  byId('banner-text').replaceChildren(element('strong', {}, strong), ` ${text}`);
}

function describeUpstream(upstream) {
  const host = upstream.host;
  if (upstream.kind === 'sandbox') {
    showBanner('sandbox', 'Sandbox.', `Requests go to an in-memory simulator at ${host}. Nothing is sent to Microsoft.`);
  } else if (upstream.kind === 'graph') {
    showBanner('graph', 'Real Microsoft Graph.', `Requests go to ${host} with your token. Mutations change your tenant.`);
  } else {
    showBanner('custom', 'Custom Graph root.', `Requests go to ${host} with your token. It may be a real tenant.`);
  }
}

/** Stores a global id from a response for the `node` example. */
function remember(data) {
  const id = Object.values(data ?? {}).map((value) => value?.deviceStatusId).find((value) => typeof value === 'string');
  if (id) ids.node = id;
}

function showOutcome(kind, ...parts) {
  byId('outcome').dataset.kind = kind;
  byId('outcome').replaceChildren(...parts.map((part) => element('span', {}, part)));
}

function showText(text, isJson = false) {
  shownText = text;
  byId('empty').hidden = true;
  if (isJson) paintLines(byId('response'), text);
  else byId('response').textContent = text;
  byId('response').closest('.scroll').scrollTo(0, 0);
  byId('copy').disabled = text === '';
  // In a narrow window the response is below the request.
  const pane = document.querySelector('.pane-response');
  if (pane.getBoundingClientRect().top > window.innerHeight * 0.8) pane.scrollIntoView({ block: 'start' });
}

async function showResponse(response, startedAt) {
  const text = await response.text();
  const took = milliseconds(performance.now() - startedAt);
  const status = `${response.status} ${response.statusText}`.trim();
  const size = bytes(new Blob([text]).size);
  let answer;
  try {
    answer = JSON.parse(text);
  } catch {
    showText(text);
    showOutcome('failed', status, 'not JSON', took, size);
    return;
  }
  showText(JSON.stringify(answer, null, 2), true);
  const errors = Array.isArray(answer?.errors) ? answer.errors : [];
  const codes = [...new Set(errors.map((error) => error?.extensions?.code).filter(Boolean))];
  const summary = errors.length === 0 ? [] : [`${errors.length} error${errors.length > 1 ? 's' : ''}${codes.length ? `: ${codes.join(', ')}` : ''}`];
  showOutcome(!response.ok ? 'failed' : errors.length ? 'partial' : 'ok', status, ...summary, took, size);
  remember(answer?.data);
}

/** Shows the last event of a subscription, until the stream ends or is cancelled. */
async function showEvents(response) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  const events = (count) => `${count} event${count === 1 ? '' : 's'}`;
  let [count, text, isComplete] = [0, '', false];
  showText('');
  showOutcome('running', 'Subscribed. Waiting for an event…');
  document.querySelector('.pane-response').setAttribute('aria-busy', 'false');
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      const blocks = (text + value).split('\n\n');
      text = blocks.pop();
      for (const block of blocks) {
        const [, kind, data] = block.match(/^event: (\w+)\ndata: ?(.*)$/) ?? [];
        if (kind === 'complete') isComplete = true;
        if (kind !== 'next') continue;
        count += 1;
        const answer = JSON.parse(data);
        showText(JSON.stringify(answer, null, 2), true);
        showOutcome(answer.errors ? 'partial' : 'running', `${events(count)}, the last at ${new Date().toLocaleTimeString()}`);
        remember(answer.data);
      }
    }
    if (!isComplete) showOutcome('failed', `The connection was lost after ${events(count)}. Is the gateway still running?`);
  } catch (error) {
    if (error.name !== 'AbortError') throw error;
    showOutcome('ok', `Stopped after ${events(count)}`);
  }
}

async function run() {
  if (running) {
    running.abort();
    return;
  }
  let request;
  try {
    const query = operation.text;
    request = {
      headers: requestHeaders(headers.text, byId('token').value),
      body: JSON.stringify({
        query,
        variables: jsonObject(variables.text, 'variables'),
        operationName: chosenOperation(query, operation.caret),
      }),
    };
    showMistake();
  } catch (error) {
    if (!(error instanceof InputMistake)) throw error;
    showMistake(error);
    return;
  }

  running = new AbortController();
  setRunning(true);
  const startedAt = performance.now();
  try {
    const response = await fetch(ENDPOINT, {
      method: 'POST', ...request, signal: running.signal, credentials: 'same-origin', cache: 'no-store', redirect: 'error',
    });
    const isStream = response.headers.get('Content-Type')?.startsWith('text/event-stream');
    await (isStream ? showEvents(response) : showResponse(response, startedAt));
  } catch (error) {
    const took = milliseconds(performance.now() - startedAt);
    if (error.name === 'AbortError') {
      showText('');
      showOutcome('partial', 'Cancelled. A write that was already sent is not undone.', took);
    } else {
      showText('');
      showOutcome('failed', 'No response from the gateway. Is it still running?', took);
    }
  } finally {
    running = undefined;
    setRunning(false);
  }
}

function setRunning(isRunning) {
  byId('run').classList.toggle('is-running', isRunning);
  byId('run-label').textContent = isRunning ? 'Cancel' : 'Run';
  document.querySelector('.pane-response').setAttribute('aria-busy', String(isRunning));
  if (isRunning) showOutcome('running', 'Waiting for the response…');
}

function selectTab(chosen) {
  for (const tab of document.querySelectorAll('[role=tab]')) {
    const isChosen = tab === chosen;
    tab.setAttribute('aria-selected', String(isChosen));
    tab.tabIndex = isChosen ? 0 : -1;
    byId(tab.getAttribute('aria-controls')).hidden = !isChosen;
  }
}

function toggleSchema(isShown) {
  byId('schema-toggle').setAttribute('aria-expanded', String(isShown));
  byId('schema').hidden = !isShown;
  byId('main').classList.toggle('without-schema', !isShown);
}

async function send(query, variables) {
  const response = await fetch(ENDPOINT, {
    method: 'POST', headers: requestHeaders('', byId('token').value), body: JSON.stringify({ query, variables }),
  });
  return response.json();
}

async function loadSettings() {
  try {
    const settings = await (await fetch(SETTINGS_URL, { cache: 'no-store' })).json();
    if (settings.demoToken) byId('token').value = settings.demoToken;
    describeUpstream(settings.upstream);
    examples = orderedExamples(settings.upstream);
    Object.assign(ids, await exampleIds(settings, send));
  } catch {
    showBanner('failed', 'Unknown upstream.', 'The page could not load its settings. Requests may go to Microsoft Graph.');
  }
}

async function loadSchema() {
  try {
    const response = await fetch(ENDPOINT, {
      method: 'POST',
      // With this media type an error is a 200, which browsers do not log as an error.
      headers: { Accept: 'application/json', 'Content-Type': 'application/json' },
      body: JSON.stringify({ query: INTROSPECTION }),
    });
    const answer = await response.json();
    const schema = answer.data?.__schema;
    if (!schema) {
      const code = answer.errors?.[0]?.extensions?.code;
      schemaView.fail(code === 'INTROSPECTION_DISABLED'
        ? 'Introspection is off on this gateway. Start it with --introspection to see the schema here.'
        : `The schema could not be read: ${answer.errors?.[0]?.message ?? `status ${response.status}`}`);
      return;
    }
    schemaView.show(schema);
    // An example whose field is not in the schema would fail.
    const has = (root, name) => schema.types.find((type) => type.name === root)?.fields?.some((field) => field.name === name);
    offerExamples((example) => has(schema[`${example.type.toLowerCase()}Type`]?.name, example.field ?? example.name));
  } catch {
    schemaView.fail('The schema could not be read: no response from the gateway.');
  }
}

function listen() {
  byId('run').addEventListener('click', run);
  document.addEventListener('keydown', (event) => {
    if (event.key === 'Enter' && (event.ctrlKey || event.metaKey) && !event.repeat) {
      event.preventDefault();
      if (!running) run();
    }
  });
  byId('example').addEventListener('change', (event) => showExample(event.target.value));
  byId('reset').addEventListener('click', resetExample);
  for (const where of ['variables', 'headers']) byId(where).addEventListener('input', () => showMistake());

  byId('token-show').addEventListener('click', (event) => {
    const shows = byId('token').type === 'password';
    byId('token').type = shows ? 'text' : 'password';
    event.currentTarget.textContent = shows ? 'Hide' : 'Show';
    event.currentTarget.setAttribute('aria-label', shows ? 'Hide the token' : 'Show the token');
  });

  const tabs = [...document.querySelectorAll('[role=tab]')];
  for (const tab of tabs) {
    tab.addEventListener('click', () => selectTab(tab));
    tab.addEventListener('keydown', (event) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (!step) return;
      event.preventDefault();
      const next = tabs[(tabs.indexOf(tab) + step + tabs.length) % tabs.length];
      selectTab(next);
      next.focus();
    });
  }

  byId('schema-toggle').addEventListener('click', () => {
    toggleSchema(byId('schema').hidden);
    if (!byId('schema').hidden) byId('schema').scrollIntoView({ block: 'nearest' });
  });

  byId('copy').addEventListener('click', async () => {
    try {
      await navigator.clipboard.writeText(shownText);
      byId('copy').textContent = 'Copied';
    } catch {
      byId('copy').textContent = 'Not allowed';
    }
    setTimeout(() => { byId('copy').textContent = 'Copy'; }, 1500);
  });
}

async function start() {
  if (/Mac|iPhone|iPad/.test(navigator.platform)) {
    for (const id of ['run-keys', 'empty-keys']) byId(id).textContent = '⌘ ⏎';
  }
  listen();
  toggleSchema(window.matchMedia('(min-width: 1100px)').matches);
  await loadSettings();
  offerExamples(() => true);
  await loadSchema();
}

start();
