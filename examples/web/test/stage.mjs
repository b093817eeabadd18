// The environment of the tests: a sandbox, a gateway, the built page, and Chromium, on free ports.
//
//   PROGRAM      the gateway's binary (target/debug/intune-graphql)
//   CHROMIUM     the browser (/usr/bin/chromium)
//   ARTEFACTS    folder for screenshots (artefacts)

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

import { chromium } from 'playwright-core';
import { preview } from 'vite';

export const folder = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..');
const program = path.resolve(folder, process.env.PROGRAM ?? '../../target/debug/intune-graphql');
export const artefacts = path.resolve(folder, process.env.ARTEFACTS ?? 'artefacts');

/** A configuration that the sandbox always has, with nine of ten of its statuses. */
export const CONFIGURATION = 'e2a23631-3631-e2a2-3136-a2e23136a2e2';
const ANY = '127.0.0.1:0';

/**
 * Starts everything that a test needs. `stop` ends it.
 *
 * @param {object} options
 * @param {string[]} [options.sandbox] settings of the sandbox
 * @param {string[]} [options.gateway] settings of the gateway
 * @param {string} [options.site] the folder of the built page
 */
export async function raise({ sandbox: sandboxArguments = [], gateway: gatewayArguments = [], site = 'dist' } = {}) {
  const sandbox = await start('sandbox listening on ', ['sandbox', '--listen', ANY, ...sandboxArguments]);
  const serve = (listen) => start('listening on ', [
    'serve', '--listen', listen, '--admin-listen', ANY, '--graph-url', sandbox.address, ...gatewayArguments,
  ]);
  let gateway = await serve(ANY);
  const server = await preview({
    root: folder,
    // Otherwise Vite prints each WebSocket that a stopping gateway closes.
    logLevel: 'silent',
    build: { outDir: path.resolve(folder, site) },
    preview: { host: '127.0.0.1', port: 0, proxy: { '/graphql': { target: gateway.address, ws: true } } },
  });
  const browser = await chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    args: [
      '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
      '--disable-component-update', '--disable-sync',
    ],
  });
  await mkdir(artefacts, { recursive: true });
  const control = new URL('/_sandbox/', sandbox.address);

  return {
    url: `http://127.0.0.1:${server.httpServer.address().port}/`,
    browser,

    /** Stops the gateway with SIGTERM. */
    stopGateway: () => gateway.stop(),

    /** Starts it again at the same address. */
    async startGateway() {
      gateway = await serve(new URL(gateway.address).host);
    },

    /** Replaces the fault rules of the sandbox. */
    async faults(...rules) {
      await fetch(new URL('faults', control), { method: 'DELETE' });
      const answer = await fetch(new URL('faults', control), { method: 'POST', body: JSON.stringify(rules) });
      assert.equal(answer.status, 204, await answer.text());
    },

    /** The requests for approval, the newest first. */
    async approvals() {
      const requests = await (await fetch(new URL('approvals', control))).json();
      return requests.reverse();
    },

    /** Approves or refuses a request for approval: `decision` is `approve` or `refuse`. */
    async decide(code, decision) {
      const answer = await fetch(new URL(`approvals/${code}/${decision}`, control), { method: 'POST' });
      assert.equal(answer.status, 204, await answer.text());
    },

    /** Sends an operation to the gateway as another caller, and returns its data. `signal` cancels the request. */
    async graphql(query, variables = {}, signal = undefined) {
      const answer = await fetch(`${gateway.address}/graphql`, {
        method: 'POST',
        headers: { 'Content-Type': 'application/json', Authorization: 'Bearer the-tests-own' },
        body: JSON.stringify({ query, variables }),
        signal,
      });
      const { data, errors } = await answer.json();
      assert.equal(errors, undefined, JSON.stringify(errors));
      return data;
    },

    /** Adds a status as another client. Its report time is now, so it is the first of the list. */
    async addElsewhere(deviceDisplayName, configurationId = CONFIGURATION) {
      const deviceStatus = {
        deviceDisplayName, deviceModel: 'iPad13,8', userName: 'Megan Bowen', userPrincipalName: 'meganb@contoso.example',
        status: 'ERROR', platform: 8, lastReportedDateTime: new Date().toISOString(),
        complianceGracePeriodExpirationDateTime: '9999-12-31T23:59:59.9999999Z',
      };
      await this.graphql(
        'mutation ($input: AddDeviceStatusInput!) { addDeviceStatus(input: $input) { deviceStatusId } }',
        { input: { configurationId, idempotencyKey: randomUUID(), deviceStatus } },
      );
    },

    /** The number of statuses that the sandbox has of a device. */
    async countOf(deviceDisplayName) {
      const data = await this.graphql(
        `query ($id: ID!, $name: String!) {
          iosLobAppProvisioningConfiguration(id: $id) {
            deviceStatuses(filter: { deviceDisplayName: { eq: $name } }) { totalCount }
          }
        }`,
        { id: CONFIGURATION, name: deviceDisplayName },
      );
      return data.iosLobAppProvisioningConfiguration.deviceStatuses.totalCount;
    },

    /** The configuration's number of statuses by compliance status: `{ COMPLIANT: 700, … }`. */
    async counts() {
      const data = await this.graphql(
        'query ($id: ID!) { iosLobAppProvisioningConfiguration(id: $id) { deviceStatusCounts { status count } } }',
        { id: CONFIGURATION },
      );
      const counts = data.iosLobAppProvisioningConfiguration.deviceStatusCounts;
      return Object.fromEntries(counts.map(({ status, count }) => [status, count]));
    },

    /** Runs before each test. Removes faults, and closes pages that a failed test has left open. */
    async begin() {
      for (const context of browser.contexts()) await context.close();
      await this.faults();
    },

    /** Waits until the sandbox has received a request. */
    async isAsked() {
      for (;;) {
        const { requests } = await (await fetch(new URL('requests', control))).json();
        if (requests.length > 0) return;
      }
    },

    async stop() {
      await browser.close();
      await server.close();
      await gateway.stop();
      await sandbox.stop();
    },
  };
}

/** Starts the program. Returns the address that it prints, and a function that stops it. */
async function start(announcement, parameters) {
  const child = spawn(program, [...parameters, '--log', 'error'], { stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = new Promise((resolve) => child.once('exit', resolve));
  const stop = async () => {
    child.kill('SIGTERM');
    await ended;
  };
  for await (const line of createInterface({ input: child.stdout })) {
    if (line.startsWith(announcement)) {
      child.stdout.resume();
      return { address: line.slice(announcement.length).trim(), stop };
    }
  }
  throw new Error(`${program} ${parameters[0]} ended before it listened`);
}

/**
 * Opens a page, and records the hosts that it calls, and its errors and warnings. `close` fails if it called an
 * unexpected host, logged an error or a warning, or stored anything.
 *
 * @param {object} stage
 * @param {object} [options] options of the browser context, and `prepare`: called with the page before it is loaded
 */
export async function open(stage, { prepare, ...options } = {}) {
  const context = await stage.browser.newContext({ viewport: { width: 1280, height: 900 }, ...options });
  const page = await context.newPage();
  const hosts = new Set();
  const complaints = [];
  context.on('request', (request) => {
    const { protocol, host } = new URL(request.url());
    if (protocol !== 'data:' && protocol !== 'blob:') hosts.add(host);
    assert.ok(!request.url().includes('demo-token'), 'the token is in a URL');
  });
  context.on('console', (message) => {
    if (['error', 'warning'].includes(message.type())) complaints.push(`${message.type()}: ${message.text()}`);
  });
  context.on('weberror', (error) => complaints.push(`uncaught: ${error.error().stack}`));
  // WebSockets go to the gateway only, without the token in the URL.
  page.on('websocket', (socket) => {
    hosts.add(new URL(socket.url()).host);
    assert.ok(!socket.url().includes('token'), 'the token is in a URL');
  });
  await prepare?.(page);
  await page.goto(stage.url);

  return {
    page,
    /**
     * @param {object} [expected]
     * @param {string[]} [expected.alsoAsked] other hosts that the page must have called
     * @param {RegExp} [expected.complaint] console message of the browser about a staged response
     */
    async close({ alsoAsked = [], complaint } = {}) {
      const stored = await page.evaluate(() => JSON.stringify([{ ...localStorage }, document.cookie]));
      assert.equal(stored, '[{},""]', 'nothing is kept in the browser');
      await context.close();
      const unexpected = complaints.filter((text) => !complaint?.test(text));
      assert.deepEqual(unexpected, [], 'the console has no error and no warning');
      assert.deepEqual([...hosts].sort(), [new URL(stage.url).host, ...alsoAsked].sort());
    },
  };
}

/** Parts of the page, as a user would name them. */
export const table = (page) => page.getByRole('table');
export const rows = (page) => table(page).locator('tbody tr');
export const row = (page, name) => rows(page).filter({ hasText: name });
export const notice = (page) => page.locator('.notice');
export const news = (page) => page.locator('.news');
export const form = (page) => page.getByRole('form', { name: 'Add a status' });

/** Opens the form where it is closed, and fills it. */
export async function fillForm(page, name) {
  const opener = page.getByRole('button', { name: 'Add a status' });
  if (await opener.isVisible()) await opener.click();
  await form(page).getByLabel('Device name').fill(name);
  await form(page).getByLabel('Model').fill('iPad Pro (11-inch)');
  await form(page).getByLabel('User', { exact: true }).fill('Adele Vance');
  await form(page).getByLabel('User principal name').fill('adelev@contoso.example');
  await form(page).getByLabel('Status').selectOption('COMPLIANT');
}

/** Calls `handle` for the next request that adds a status, by its operation name. Other requests are not affected. */
export async function onceAdded(page, handle) {
  let isNext = true;
  await page.route('**/graphql', (route) => {
    if (!isNext || route.request().postDataJSON().operationName !== 'AddStatusMutation') return route.fallback();
    isNext = false;
    return handle(route);
  });
}

/** Collects the inputs of `addDeviceStatus` that the page sends. */
export function sentBy(page) {
  const inputs = [];
  page.on('request', (request) => {
    const body = request.postDataJSON?.();
    if (body?.operationName === 'AddStatusMutation') inputs.push(body.variables.input);
  });
  return inputs;
}

export const add = (page) => form(page).getByRole('button', { name: 'Add', exact: true }).click();
