// GraphiQL with a bar above it, which shows the upstream and has a field for the caller's token.
//
// The token is kept in memory only. It is sent only to the gateway's origin, as a header or in `connection_init`.

import 'graphiql/style.css';
import './style.css';

import { createGraphiQLFetcher } from '@graphiql/toolkit';
import { ToolbarButton, ToolbarMenu, useGraphiQL, useGraphiQLActions } from '@graphiql/react';
import { GraphiQL, HISTORY_PLUGIN } from 'graphiql';
import { Kind, parse } from 'graphql';
import { createClient } from 'graphql-ws';
import { useEffect, useState } from 'react';
import { createRoot } from 'react-dom/client';

import { exampleIds, offeredExamples } from './examples.js';
import { restoreTabs, storage } from './storage.js';

// Relative to `/graphiql`, because a proxy may serve the gateway under another path.
const ENDPOINT = new URL('graphql', document.baseURI);
const SETTINGS = new URL('graphiql/config.json', document.baseURI);

// Written by build.mjs: the workers' file names, beside this script.
const worker = (name) => new Worker(new URL(WORKERS[name], import.meta.url));
globalThis.MonacoEnvironment = {
  getWorker: (_id, label) => worker(label in WORKERS ? label : 'editor'),
};

let token = '';
const authorization = () => (token === '' ? {} : { Authorization: `Bearer ${token}` });

/** A header in the headers editor has precedence over the token field. */
function fetchWithToken(url, init) {
  const headers = new Headers(init.headers);
  if (!headers.has('Authorization')) {
    for (const [name, value] of Object.entries(authorization())) headers.set(name, value);
  }
  return fetch(url, { ...init, headers, cache: 'no-store', redirect: 'error' });
}

/** Sends a request of the page itself. With this media type an error is a 200, which browsers do not log as an error. */
async function send(query, variables) {
  const response = await fetchWithToken(ENDPOINT, {
    method: 'POST',
    headers: { Accept: 'application/json', 'Content-Type': 'application/json' },
    body: JSON.stringify({ query, variables }),
  });
  return response.json();
}

const ROOTS = '{ __schema { queryType { fields { name } } mutationType { fields { name } } subscriptionType { fields { name } } } }';

const fetcherOfText = createGraphiQLFetcher({
  url: ENDPOINT.href,
  headers: { Accept: 'application/graphql-response+json, application/json;q=0.9' },
  fetch: fetchWithToken,
  enableIncrementalDelivery: false,
  wsClient: createClient({
    url: ENDPOINT.href.replace(/^http/, 'ws'),
    connectionParams: authorization,
    retryAttempts: 0,
  }),
});

/**
 * GraphiQL determines the operation of a tab with a delay. A quick user would run an operation of the previous tab, so
 * the operation is read from the text that is sent.
 */
function fetcher(params, options) {
  let documentAST;
  try {
    documentAST = parse(params.query);
  } catch {
    return fetcherOfText(params, options);
  }
  const names = documentAST.definitions
    .filter(({ kind }) => kind === Kind.OPERATION_DEFINITION)
    .map(({ name }) => name?.value);
  const operationName = names.length === 1 ? names[0] : params.operationName;
  return fetcherOfText({ ...params, operationName }, { ...options, documentAST });
}

const UPSTREAMS = {
  sandbox: ['Sandbox.', (host) => `Requests go to an in-memory simulator at ${host}. Nothing is sent to Microsoft.`],
  graph: ['Real Microsoft Graph.', (host) => `Requests go to ${host} with your token. Mutations change your tenant.`],
  custom: ['Custom Graph root.', (host) => `Requests go to ${host} with your token. It may be a real tenant.`],
};

function Bar({ upstream, isIntrospectionOff }) {
  const [shown, setShown] = useState(false);
  const [strong, sentence] = UPSTREAMS[upstream.kind] ?? ['Unknown upstream.', () => 'The page could not load its settings. Requests may go to Microsoft Graph.'];
  return (
    <header className="bar" data-kind={upstream.kind}>
      <p className="upstream" role="status">
        <span className="dot" aria-hidden="true" />
        <span>
          <strong>{strong}</strong> {sentence(upstream.host)}
          {isIntrospectionOff && ' Introspection is off: no documentation and no completion. Start the gateway with --introspection to enable them.'}
        </span>
      </p>
      <div className="token">
        <label htmlFor="token">Token</label>
        <input
          id="token"
          type={shown ? 'text' : 'password'}
          defaultValue={token}
          onInput={(event) => { token = event.currentTarget.value.trim().replace(/^Bearer\s+/i, ''); }}
          autoComplete="off"
          autoCapitalize="off"
          spellCheck={false}
          placeholder="Bearer token"
          title="Kept in this page's memory only. Sent as the Authorization header with each request."
          data-1p-ignore=""
          data-lpignore="true"
        />
        <button type="button" aria-label={shown ? 'Hide the token' : 'Show the token'} onClick={() => setShown(!shown)}>
          {shown ? 'Hide' : 'Show'}
        </button>
      </div>
    </header>
  );
}

const variablesText = (example, ids) => JSON.stringify(example.variables(ids), null, 2);

/** A menu that opens an example in a new tab. */
function ExamplesMenu({ examples, ids }) {
  const { addTab } = useGraphiQLActions();
  const queryEditor = useGraphiQL((state) => state.queryEditor);
  const variableEditor = useGraphiQL((state) => state.variableEditor);
  const open = (example) => {
    addTab();
    queryEditor?.setValue(example.operation);
    variableEditor?.setValue(variablesText(example, ids));
  };
  return (
    <ToolbarMenu
      button={
        <ToolbarButton label="Examples">
          <svg className="graphiql-toolbar-icon" viewBox="0 0 24 24" fill="none" stroke="currentColor" strokeWidth="1.8" strokeLinecap="round" strokeLinejoin="round" aria-hidden="true">
            <path d="M4 5.5A1.5 1.5 0 0 1 5.5 4H11v16H5.5A1.5 1.5 0 0 1 4 18.5zM20 5.5A1.5 1.5 0 0 0 18.5 4H13v16h5.5a1.5 1.5 0 0 0 1.5-1.5z" />
          </svg>
        </ToolbarButton>
      }
    >
      {examples.map((example) => (
        <ToolbarMenu.Item key={example.name} onSelect={() => open(example)}>
          {example.name}
        </ToolbarMenu.Item>
      ))}
    </ToolbarMenu>
  );
}

/** Ctrl+Enter (⌘+Enter) runs the operation, independent of the focus. Repeats and running operations are ignored. */
function useRunKey() {
  const { run } = useGraphiQLActions();
  const isFetching = useGraphiQL((state) => state.isFetching);
  useEffect(() => {
    const press = (event) => {
      if (event.key !== 'Enter' || !(event.ctrlKey || event.metaKey) || event.target.closest('[role=dialog], [role=menu]')) return;
      // Editors handle the key too, and a button handles Enter as a click.
      event.preventDefault();
      event.stopPropagation();
      if (!event.repeat && !isFetching) run();
    };
    document.addEventListener('keydown', press, { capture: true });
    return () => document.removeEventListener('keydown', press, { capture: true });
  }, [run, isFetching]);
}

/** Tab indents in an editor. After Escape it moves the focus, because keyboard users must be able to leave the editor. */
function useWayOut() {
  useEffect(() => {
    let leaves = false;
    const press = (event) => {
      // The editor does not receive the key, and the browser moves the focus.
      if (event.key === 'Tab' && leaves) event.stopPropagation();
      if (event.key !== 'Shift') leaves = event.key === 'Escape' && event.target.closest('.monaco-editor') !== null;
    };
    document.addEventListener('keydown', press, { capture: true });
    return () => document.removeEventListener('keydown', press, { capture: true });
  }, []);
}

/** Restores the focus after a dialog closes, which GraphiQL does not do. */
function useFocusAfterDialogs() {
  useEffect(() => {
    let last;
    const remember = ({ target }) => {
      if (!target.closest('[role=dialog]')) last = target;
    };
    const closed = new MutationObserver((changes) => {
      const isDialog = (node) => node.getAttribute?.('role') === 'dialog';
      if (changes.some(({ removedNodes }) => [...removedNodes].some(isDialog)) && document.activeElement === document.body) last?.focus();
    });
    document.addEventListener('focusin', remember);
    closed.observe(document.body, { childList: true });
    return () => {
      document.removeEventListener('focusin', remember);
      closed.disconnect();
    };
  }, []);
}

/** Scrolls the active tab into view. Its title changes with its text. */
function useTabInView() {
  const shown = useGraphiQL(({ activeTabIndex, tabs }) => `${activeTabIndex} ${tabs[activeTabIndex]?.title}`);
  useEffect(() => {
    document.querySelector('.graphiql-tab-active')?.scrollIntoView({ block: 'nearest', inline: 'nearest' });
  }, [shown]);
}

/** Behaviour that GraphiQL lacks. It renders nothing, and is placed where GraphiQL's state can be read. */
function Additions() {
  useTabInView();
  useRunKey();
  useWayOut();
  useFocusAfterDialogs();
  return null;
}

function Page({ settings, examples, ids, isIntrospectionOff }) {
  return (
    <>
      <Bar upstream={settings.upstream} isIntrospectionOff={isIntrospectionOff} />
      <main>
        <GraphiQL
          fetcher={fetcher}
          schema={isIntrospectionOff ? null : undefined}
          storage={store}
          shouldPersistHeaders={false}
          showPersistHeadersSettings={false}
          plugins={[HISTORY_PLUGIN]}
          defaultEditorToolsVisibility="variables"
          initialVariables={hasTabs || examples.length === 0 ? undefined : variablesText(examples[0], ids)}
          defaultTabs={examples.map((example) => ({ query: example.operation, variables: variablesText(example, ids) }))}
        >
          <GraphiQL.Logo><span className="name">intune-graphql</span></GraphiQL.Logo>
          <GraphiQL.Toolbar>
            {({ prettify, merge, copy }) => (
              <>
                {prettify}
                {merge}
                {copy}
                <ExamplesMenu examples={examples} ids={ids} />
                <Additions />
              </>
            )}
          </GraphiQL.Toolbar>
          <GraphiQL.Footer>
            <p className="notices">
              <span className="keys">Esc, then Tab, leaves an editor</span>
              <span><a href="graphiql/licences.txt" target="_blank" rel="noopener">Licences</a> of the software in this page</span>
            </p>
          </GraphiQL.Footer>
        </GraphiQL>
      </main>
    </>
  );
}

const settings = await fetch(SETTINGS, { cache: 'no-store' })
  .then((response) => response.json())
  .catch(() => ({ upstream: { kind: 'unknown' } }));
const store = storage(settings.upstream);
const hasTabs = restoreTabs(store);
token = settings.demoToken ?? '';
const [roots, ids] = await Promise.all([send(ROOTS).catch(() => undefined), exampleIds(settings, send)]);
createRoot(document.getElementById('page')).render(
  <Page
    settings={settings}
    examples={offeredExamples(settings.upstream, roots?.data?.__schema)}
    ids={ids}
    isIntrospectionOff={roots?.errors?.[0]?.extensions?.code === 'INTROSPECTION_DISABLED'}
  />,
);
