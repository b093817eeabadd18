// GraphiQL, with a bar above it: where requests go, and the caller's token.
//
// The token is kept in memory only. It is sent to the gateway's own origin, as a header or in `connection_init`.

import 'graphiql/style.css';
import './style.css';

import { createGraphiQLFetcher } from '@graphiql/toolkit';
import { ToolbarButton, ToolbarMenu, useGraphiQL, useGraphiQLActions } from '@graphiql/react';
import { GraphiQL, HISTORY_PLUGIN } from 'graphiql';
import { Kind, parse } from 'graphql';
import { createClient } from 'graphql-ws';
import { useState } from 'react';
import { createRoot } from 'react-dom/client';

import { exampleIds, offeredExamples } from './examples.js';
import { restoreTabs, storage } from './storage.js';

// Relative to `/graphiql`, so that a proxy may serve the gateway under a path of its own.
const ENDPOINT = new URL('graphql', document.baseURI);
const SETTINGS = new URL('graphiql/config.json', document.baseURI);

// Written by build.mjs: the workers' file names, beside this script.
const worker = (name) => new Worker(new URL(WORKERS[name], import.meta.url));
globalThis.MonacoEnvironment = {
  getWorker: (_id, label) => worker(label in WORKERS ? label : 'editor'),
};

let token = '';
const authorization = () => (token === '' ? {} : { Authorization: `Bearer ${token}` });

/** A header of the headers editor wins over the token's field. */
function fetchWithToken(url, init) {
  const headers = new Headers(init.headers);
  headers.set('Accept', 'application/graphql-response+json, application/json;q=0.9');
  if (!headers.has('Authorization')) {
    for (const [name, value] of Object.entries(authorization())) headers.set(name, value);
  }
  return fetch(url, { ...init, headers, cache: 'no-store', redirect: 'error' });
}

async function send(query, variables) {
  const response = await fetchWithToken(ENDPOINT, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ query, variables }),
  });
  return response.json();
}

const fetcherOfText = createGraphiQLFetcher({
  url: ENDPOINT.href,
  fetch: fetchWithToken,
  enableIncrementalDelivery: false,
  wsClient: createClient({
    url: ENDPOINT.href.replace(/^http/, 'ws'),
    connectionParams: authorization,
    retryAttempts: 0,
  }),
});

/**
 * GraphiQL works out which operation it runs, and of what kind, a moment after a tab is shown. Whoever is faster would
 * run an operation of the tab before, so it is read from the text that is sent.
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
  sandbox: ['Sandbox.', (host) => `Requests go to an in-memory stand-in at ${host}. Nothing reaches Microsoft.`],
  graph: ['Real Microsoft Graph.', (host) => `Requests go to ${host} with your token: a mutation changes your tenant.`],
  custom: ['Custom Graph root.', (host) => `Requests go to ${host} with your token. The gateway does not know what stands behind it.`],
};

function Bar({ upstream }) {
  const [shown, setShown] = useState(false);
  const [strong, sentence] = UPSTREAMS[upstream.kind] ?? ['Unknown.', () => 'The page could not read its settings, so it cannot say where requests go.'];
  return (
    <header className="bar" data-kind={upstream.kind}>
      <p className="upstream" role="status">
        <span className="dot" aria-hidden="true" />
        <span><strong>{strong}</strong> {sentence(upstream.host)}</span>
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

/** Opens an example in a tab of its own, for when its first tab has been changed or closed. */
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

function Page({ settings, examples, ids }) {
  return (
    <>
      <Bar upstream={settings.upstream} />
      <main>
        <GraphiQL
          fetcher={fetcher}
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
              </>
            )}
          </GraphiQL.Toolbar>
          <GraphiQL.Footer>
            <p className="notices"><a href="graphiql/licences.txt" target="_blank" rel="noopener">Licences</a> of what this page is made of</p>
          </GraphiQL.Footer>
        </GraphiQL>
      </main>
    </>
  );
}

const store = storage();
const hasTabs = restoreTabs(store);
const settings = await fetch(SETTINGS, { cache: 'no-store' })
  .then((response) => response.json())
  .catch(() => ({ upstream: { kind: 'unknown' } }));
token = settings.demoToken ?? '';
const [examples, ids] = await Promise.all([offeredExamples(send), exampleIds(settings, send)]);
createRoot(document.getElementById('page')).render(<Page settings={settings} examples={examples} ids={ids} />);
