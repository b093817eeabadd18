// Tests GraphiQL in headless Chromium, against a demo that it starts on free ports.
// The page is the one that the given program embeds: GraphiQL or the small page. `--whole` requires GraphiQL.
//
//   node run.mjs [--whole] [PROGRAM]     default: target/debug/intune-graphql
//   CHROMIUM     the browser (/usr/bin/chromium)
//   ARTEFACTS    folder for screenshots (artefacts/browser)

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

import { chromium } from 'playwright-core';

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../../..');
const insistsOnWhole = process.argv.includes('--whole');
const program = process.argv.slice(2).find((argument) => !argument.startsWith('--'))
  ?? path.join(root, 'target/debug/intune-graphql');
const artefacts = path.resolve(root, process.env.ARTEFACTS ?? 'artefacts/browser');
const PATIENCE = { timeout: 60_000 };

const any = '127.0.0.1:0';

/** Starts the program on free ports. Returns its address and a function that stops it. */
async function start(...args) {
  const child = spawn(program, [...args, '--listen', any, '--admin-listen', any], { stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = new Promise((resolve) => child.once('exit', resolve));
  const stop = async () => {
    child.kill('SIGTERM');
    await ended;
  };
  for await (const line of createInterface({ input: child.stdout })) {
    if (line.startsWith('listening on ')) {
      child.stdout.resume();
      return { url: line.slice('listening on '.length).trim(), stop };
    }
  }
  throw new Error(`the program ended before it listened: ${args}`);
}

const TABS = [
  'AddDeviceStatus', 'AddDeviceStatuses', 'UpdateDeviceStatus', 'DeleteDeviceStatus', 'CreateConfiguration',
  'UpdateConfiguration', 'AssignConfiguration', 'DeleteConfiguration', 'Configurations', 'ExpiringProfiles',
  'Configuration', 'Node', 'Nodes',
];

/** The steps that differ between the two pages. */
const WHOLE = {
  ready: (page) => WHOLE.shows(page, 'addDeviceStatus'),
  shows: (page, field) => page.locator('.graphiql-query-editor .view-line', { hasText: field }).first().waitFor(PATIENCE),
  /** The text of the operation that is shown first. */
  operation: (page) => page.evaluate(() => globalThis.__MONACO.editor.getModels().find(({ uri }) => uri.path.includes('operation')).getValue()),
  examples: (page) => page.locator('.graphiql-tab-button').allInnerTexts(),
  run: (page) => page.getByRole('button', { name: 'Execute query' }).click(),
  end: (page) => page.getByRole('button', { name: 'Stop query' }).click(),
  // The text of the model, because the page wraps long lines.
  async response(page) {
    const shown = await page.locator('.result-window .view-lines').innerText();
    if (!shown.includes('{')) return '';
    return page.evaluate(() => globalThis.__MONACO.editor.getModels().find(({ uri }) => uri.path.includes('response')).getValue());
  },
  async docs(page) {
    await page.getByRole('button', { name: 'Show Documentation Explorer' }).click();
    await page.locator('.graphiql-doc-explorer-content').getByText('Mutation', { exact: true }).click(PATIENCE);
    await page.getByText('Adds a device status to a configuration', { exact: false }).first().waitFor(PATIENCE);
  },
  hideDocs: (page) => page.getByRole('button', { name: 'Hide Documentation Explorer' }).click(),
  editor: (page) => page.locator('.graphiql-query-editor .view-lines').first().click(),
  async noIntrospection(page) {
    await page.locator('.upstream', { hasText: 'Introspection is off' }).waitFor(PATIENCE);
    await WHOLE.shows(page, 'iosLobAppProvisioningConfigurations');
  },
};
const SMALL = {
  ready: (page) => page.locator('#schema-count', { hasText: 'types' }).waitFor({ ...PATIENCE, state: 'attached' }),
  operation: (page) => page.locator('#operation').inputValue(),
  examples: (page) => page.locator('#example option').allInnerTexts(),
  run: (page) => page.locator('#run').click(),
  async end(page) {
    await page.locator('#run').click();
    await page.locator('#outcome', { hasText: 'Stopped after' }).waitFor(PATIENCE);
  },
  response: (page) => page.locator('#response').innerText(),
  async docs(page) {
    if (!await page.locator('#schema').isVisible()) await page.locator('#schema-toggle').click();
    await page.locator('#search').fill('Adds a device status');
    await page.locator('#types mark', { hasText: 'Adds a device status' }).first().waitFor(PATIENCE);
  },
  hideDocs: (page) => page.locator('#schema-toggle').click(),
  editor: (page) => page.locator('#operation').focus(),
  noIntrospection: (page) => page.locator('#schema-message', { hasText: 'Introspection is off' }).waitFor(PATIENCE),
};

const requests = new Map();
const complaints = [];

/** Opens a page and records its requests and its errors and warnings. */
async function open(browser, url, options) {
  const context = await browser.newContext(options);
  const page = await context.newPage();
  page.on('request', (request) => {
    const { protocol, host } = new URL(request.url());
    if (protocol === 'data:' || protocol === 'blob:') return;
    requests.set(host, (requests.get(host) ?? 0) + 1);
    assert.ok(!request.url().includes('demo-token'), 'the token is in a URL');
  });
  page.on('websocket', (socket) => requests.set(new URL(socket.url()).host, 1));
  page.on('console', (message) => {
    if (['error', 'warning'].includes(message.type())) complaints.push(`${message.type()}: ${message.text()}`);
  });
  page.on('pageerror', (error) => complaints.push(`uncaught: ${error.stack}`));
  await page.goto(`${url}/graphiql`);
  return page;
}

async function until(description, check) {
  const end = Date.now() + PATIENCE.timeout;
  for (;;) {
    const found = await check();
    if (found) return found;
    assert.ok(Date.now() < end, `not within ${PATIENCE.timeout} ms: ${description}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

/** Adds a status with a separate request and returns its global id. */
async function add(url, configurationId) {
  const deviceStatus = {
    deviceDisplayName: 'event', userName: 'a', deviceModel: 'b', platform: 5, status: 'COMPLIANT', userPrincipalName: 'c@example.org',
    complianceGracePeriodExpirationDateTime: '2027-01-31T23:59:59Z', lastReportedDateTime: '2026-11-23T09:30:00Z',
  };
  const response = await fetch(`${url}/graphql`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', Authorization: 'Bearer demo-token' },
    body: JSON.stringify({
      query: 'mutation($input: AddDeviceStatusInput!) { addDeviceStatus(input: $input) { deviceStatusId } }',
      variables: { input: { configurationId, deviceStatus } },
    }),
  });
  return (await response.json()).data.addDeviceStatus.deviceStatusId;
}

const stored = (page) => page.evaluate(() => JSON.stringify([{ ...localStorage }, { ...sessionStorage }, document.cookie]));

const { url, stop } = await start('demo', '--sandbox-listen', any);
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  args: ['--no-sandbox', '--disable-background-networking', '--disable-component-update'],
});
try {
  await mkdir(artefacts, { recursive: true });
  const page = await open(browser, url, { viewport: { width: 1280, height: 800 } });
  await page.locator('#token').waitFor(PATIENCE);
  const isWhole = await page.locator('.graphiql-container').count() > 0;
  assert.ok(isWhole || !insistsOnWhole, 'the program embeds the small page: build ide/ first');
  const kind = isWhole ? WHOLE : SMALL;
  const name = isWhole ? 'graphiql' : 'small';
  await kind.ready(page);
  await page.getByText('in-memory simulator', { exact: false }).waitFor(PATIENCE);
  console.log(`ok: ${name}: it shows that the upstream is the sandbox`);
  assert.match(await kind.operation(page), /^mutation AddDeviceStatus/, 'the demo starts with a mutation');

  // The created object is read from the sandbox, because the page alone would not prove the write.
  await kind.run(page);
  const answer = await until('the created object is shown', async () => {
    const text = await kind.response(page);
    return text.includes('"graphId"') && text.includes('iPad-0042') ? text : undefined;
  });
  const [, graphId] = answer.match(/"graphId":\s*"([^"]+)"/) ?? [];
  assert.ok(graphId, answer);
  const { exampleConfigurationId } = await (await fetch(`${url}/graphiql/config.json`)).json();
  const created = await (await fetch(`${url}/graphql`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', Authorization: 'Bearer demo-token' },
    body: JSON.stringify({
      query: 'query ($id: ID!, $status: ID!) { iosLobAppProvisioningConfiguration(id: $id) { deviceStatus(id: $status) { deviceDisplayName } } }',
      variables: { id: exampleConfigurationId, status: graphId },
    }),
  })).json();
  assert.equal(created.data?.iosLobAppProvisioningConfiguration?.deviceStatus?.deviceDisplayName, 'iPad-0042', JSON.stringify(created));
  console.log(`ok: ${name}: the button created ${graphId}`);

  await kind.docs(page);
  await page.screenshot({ path: path.join(artefacts, `${name}-docs.png`) });
  console.log(`ok: ${name}: the documentation shows our descriptions`);
  await kind.hideDocs(page);

  if (isWhole) {
    // One tab for each operation, and each one works unchanged.
    const titles = await page.locator('.graphiql-tab-button').allInnerTexts();
    for (const title of TABS) assert.ok(titles.includes(title), `no tab ${title}: ${titles}`);
    for (const title of TABS) {
      await page.locator('.graphiql-tab-button', { hasText: new RegExp(`^${title}$`) }).click();
      await kind.run(page);
      const text = await until(`a response to ${title}`, async () => {
        const shown = await kind.response(page);
        return shown.includes('"data"') || shown.includes('"errors"') ? shown : undefined;
      });
      assert.ok(!text.includes('"errors"'), `${title}: ${text}`);
    }
    console.log(`ok: ${name}: ${TABS.length} example operations in tabs, each executed without an error`);
    await page.locator('.graphiql-tab-button', { hasText: /^DeviceStatusAdded$/ }).click();
  } else {
    await page.locator('#example').selectOption('deviceStatusAdded');
  }

  // A subscription shows statuses of other requests until it is stopped.
  await kind.run(page);
  const event = await until('the subscription shows a status', async () => {
    // The subscription may not have started yet, so each attempt adds a status.
    const id = await add(url, exampleConfigurationId);
    await page.waitForTimeout(500);
    const text = await kind.response(page);
    return text.includes('"deviceStatusAdded"') && text.includes(id) ? text : undefined;
  });
  assert.ok(!event.includes('"errors"'), event);
  await page.screenshot({ path: path.join(artefacts, `${name}-subscription.png`) });
  await kind.end(page);
  console.log(`ok: ${name}: a subscription shows a status of another request`);

  if (isWhole) {
    // Tokens from the token field and the headers editor are sent and not stored.
    await page.locator('.graphiql-tab-button', { hasText: /^Nodes$/ }).click();
    await page.locator('#token').fill('typed-secret');
    await page.getByRole('button', { name: 'Headers' }).click();
    await page.locator('.graphiql-editor-tool .graphiql-editor:not(.hidden) .view-lines').last().click();
    await page.keyboard.type('{"X-Secret": "header-secret"');
    const [sent] = await Promise.all([
      page.waitForRequest((request) => request.method() === 'POST'),
      kind.run(page),
    ]);
    const headers = await sent.allHeaders();
    assert.equal(headers.authorization, 'Bearer typed-secret');
    assert.equal(headers['x-secret'], 'header-secret');
    // GraphiQL writes its storage half a second later.
    await until('the history is stored', async () => (await stored(page)).includes('graphiql:queries'));
    await page.waitForTimeout(1500);
  } else {
    await page.locator('#token').fill('typed-secret');
  }
  const kept = await stored(page);
  assert.ok(!kept.includes('secret') && !kept.includes('demo-token'), kept);
  console.log(`ok: ${name}: no token and no header is stored (${kept.length} characters are)`);

  await page.reload();
  await page.locator('#token').waitFor(PATIENCE);
  assert.equal(await page.locator('#token').inputValue(), 'demo-token');
  await kind.response(page);
  if (isWhole) assert.ok((await page.locator('.graphiql-tab-button').allInnerTexts()).length >= TABS.length);
  console.log(`ok: ${name}: a reload restores the page without the token that was typed`);

  for (const colorScheme of ['light', 'dark']) {
    for (const width of [1280, 480]) {
      const view = await open(browser, url, { viewport: { width, height: 800 }, colorScheme });
      await kind.ready(view);
      await kind.run(view);
      await until('the response is shown', async () => (await kind.response(view)).includes('iPad-0042'));
      const overflow = await view.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
      assert.ok(overflow <= 0, `${colorScheme} ${width}: ${overflow} pixels are cut off`);
      await view.screenshot({ path: path.join(artefacts, `${name}-${colorScheme}-${width}.png`) });
      if (width < 700) {
        await kind.docs(view);
        await view.screenshot({ path: path.join(artefacts, `${name}-${colorScheme}-${width}-docs.png`) });
      }
      await view.context().close();
    }
  }
  console.log(`ok: ${name}: screenshots in ${path.relative(root, artefacts)}`);

  // Keyboard only: Ctrl+Enter runs the operation once, even if held down, and Esc with Tab leaves an editor.
  const keyed = await open(browser, url, { viewport: { width: 1280, height: 800 } });
  await kind.ready(keyed);
  let sentByKeys = 0;
  keyed.on('request', (request) => { if (request.postData()?.includes('AddDeviceStatus(')) sentByKeys += 1; });
  for (const focus of [kind.editor, (view) => view.locator('#token').focus()]) {
    sentByKeys = 0;
    await focus(keyed);
    await keyed.keyboard.down('Control');
    for (let held = 0; held < 5; held += 1) await keyed.keyboard.down('Enter');
    await keyed.keyboard.up('Enter');
    await keyed.keyboard.up('Control');
    await until('the response is shown', async () => (await kind.response(keyed)).includes('iPad-0042'));
    await keyed.waitForTimeout(500);
    assert.equal(sentByKeys, 1);
  }
  console.log(`ok: ${name}: Ctrl+Enter runs the operation, once`);
  const isInEditor = () => keyed.evaluate(() => document.activeElement.tagName === 'TEXTAREA');
  await kind.editor(keyed);
  await keyed.keyboard.press('Tab');
  assert.ok(await isInEditor(), 'Tab indents');
  await keyed.keyboard.press('Escape');
  await keyed.keyboard.press('Tab');
  assert.ok(!await isInEditor(), 'Tab after Escape leaves the editor');
  console.log(`ok: ${name}: Esc, then Tab, leaves the editor`);

  // The page for Microsoft Graph, without introspection. Nothing is sent to Graph.
  const graph = await start('serve', '--graphiql');
  try {
    const view = await open(browser, graph.url, { viewport: { width: 1280, height: 800 } });
    await view.getByText('Real Microsoft Graph.').waitFor(PATIENCE);
    await kind.noIntrospection(view);
    assert.equal(await view.locator('#token').inputValue(), '');
    assert.match(await kind.operation(view), /^query Configurations/, 'a query is shown first');
    const [first] = await kind.examples(view);
    assert.match(first, /^(Configurations|iosLobAppProvisioningConfigurations)$/, 'a query is the first example');
    await view.screenshot({ path: path.join(artefacts, `${name}-graph.png`) });
    requests.delete(new URL(graph.url).host);
  } finally {
    await graph.stop();
  }
  console.log(`ok: ${name}: it shows that the upstream is Microsoft Graph and that introspection is off, and starts with a query`);

  assert.deepEqual(complaints, [], 'the console has no error and no warning');
  console.log(`ok: ${name}: no error and no warning on the console`);
  console.log(`hosts: ${[...requests].map(([host, count]) => `${host} (${count} requests)`).join(', ')}`);
  assert.deepEqual([...requests.keys()], [new URL(url).host]);
} finally {
  if (complaints.length > 0) console.log(complaints.join('\n'));
  await browser.close();
  await stop();
}
