// Live updates: statuses of other clients are announced, and shown on request.

import assert from 'node:assert/strict';
import { after, before, beforeEach, test } from 'node:test';

import { add, fillForm, form, news, onceAdded, open, raise, row, table } from './stage.mjs';

let stage;
before(async () => {
  stage = await raise({ gateway: ['--subscription-recheck', '1s', '--drain-timeout', '2s'] });
});
after(() => stage.stop());
beforeEach(() => stage.begin());

const show = (page) => news(page).getByRole('button', { name: 'Show' });
const total = (page) => page.getByRole('figure').locator('figcaption').innerText();

/** Opens the page, and waits until it has subscribed. `subscriptions` collects the tokens of its subscriptions. */
async function subscribed(on = stage, options = {}) {
  const subscriptions = [];
  const opened = await open(on, {
    ...options,
    async prepare(page) {
      page.on('websocket', (socket) => {
        let token;
        socket.on('framesent', ({ payload }) => {
          const message = JSON.parse(payload);
          if (message.type === 'connection_init') token = message.payload.Authorization;
          if (message.type === 'subscribe') subscriptions.push(token);
        });
      });
      await options.prepare?.(page);
    },
  });
  await table(opened.page).waitFor();
  await until(() => subscriptions.length > 0);
  // The gateway does not confirm a subscription. It starts after one round trip to Graph.
  await opened.page.waitForTimeout(500);
  return { ...opened, subscriptions };
}

async function until(condition) {
  const start = Date.now();
  while (!condition()) {
    assert.ok(Date.now() - start < 30_000, `timed out: ${condition}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

test('statuses of other clients are announced, and Show reads their rows and the counts', async () => {
  const { page, subscriptions, close } = await subscribed();
  const before = Number((await total(page)).replaceAll(/\D/g, ''));
  assert.equal(await news(page).innerText(), '');
  assert.deepEqual(subscriptions, ['Bearer demo-token']);

  await stage.addElsewhere('live-1');
  await news(page).getByRole('status').getByText('1 new status', { exact: true }).waitFor();
  await stage.addElsewhere('live-2');
  await stage.addElsewhere('live-3');
  await news(page).getByText('3 new statuses', { exact: true }).waitFor();
  assert.equal(await row(page, 'live-').count(), 0, 'the list does not change by itself');

  await page.getByRole('button', { name: 'Next page' }).click();
  await page.getByText('Page 2').waitFor();
  await show(page).click();
  await row(page, 'live-3').waitFor();
  assert.equal(await row(page, 'live-').count(), 3);
  assert.equal(await news(page).innerText(), '');
  await page.getByRole('figure', { name: `${(before + 3).toLocaleString('en-US')} device statuses` }).waitFor();
  assert.equal(await page.evaluate(() => document.activeElement.innerText), 'Device statuses');
  await close();
});

test('a filter that may hide new statuses is mentioned', async () => {
  const { page, close } = await subscribed();
  await page.getByRole('search').getByLabel('Status').selectOption('CONFLICT');
  await page.getByText('Page 1').waitFor();
  await stage.addElsewhere('live-filtered');
  await news(page).getByText('The filter may hide some of them.').waitFor();
  await show(page).click();
  await show(page).waitFor({ state: 'detached' });
  assert.equal(await page.getByRole('search').getByLabel('Status').inputValue(), 'CONFLICT');
  await close();
});

test('statuses that the form adds do not count as new', async () => {
  const { page, close } = await subscribed();
  await fillForm(page, 'live-own-1');
  await add(page);
  await form(page).getByText('live-own-1 was added.').waitFor();

  // Another client adds a status while the form waits for its response.
  await onceAdded(page, async (route) => {
    const response = await route.fetch();
    await stage.addElsewhere('live-other');
    await page.waitForTimeout(500);
    assert.equal(await news(page).innerText(), '');
    await route.fulfill({ response });
  });
  await fillForm(page, 'live-own-2');
  await add(page);
  await form(page).getByText('live-own-2 was added.').waitFor();
  await news(page).getByText('1 new status', { exact: true }).waitFor();

  // If the response is lost, the page does not have the id of the form's status. The retry returns it.
  await page.getByRole('button', { name: 'Reload' }).click();
  await news(page).getByText('1 new status', { exact: true }).waitFor({ state: 'detached' });
  await onceAdded(page, async (route) => {
    await route.fetch();
    await route.abort();
  });
  await fillForm(page, 'live-own-3');
  await add(page);
  await page.getByRole('button', { name: 'Try again safely' }).click();
  await form(page).getByText('live-own-3 was added.').waitFor();
  await page.waitForTimeout(500);
  assert.equal(await news(page).innerText(), '');
  await close({ complaint: /^error: Failed to load resource/ });
});

test('live updates are for the selected configuration', async () => {
  const { page, subscriptions, close } = await subscribed();
  await stage.addElsewhere('live-first');
  await news(page).getByText('1 new status', { exact: true }).waitFor();

  const { iosLobAppProvisioningConfigurations: { nodes } } =
    await stage.graphql('{ iosLobAppProvisioningConfigurations { nodes { id displayName } } }');
  const second = nodes.find(({ displayName }) => displayName.endsWith(' 2'));
  await page.getByRole('button', { name: second.displayName }).click();
  await page.getByRole('heading', { name: second.displayName, exact: true }).waitFor();
  await until(() => subscriptions.length === 2);
  await page.waitForTimeout(500);
  assert.equal(await news(page).innerText(), '');

  await stage.addElsewhere('live-not-shown');
  await stage.addElsewhere('live-second', second.id);
  await news(page).getByText('1 new status', { exact: true }).waitFor();
  await show(page).click();
  await row(page, 'live-second').waitFor();
  await close();
});

test('a restart of the gateway is not mentioned, and the next Show reads the missed statuses', async () => {
  const { page, subscriptions, close } = await subscribed();
  await stage.stopGateway();
  await stage.startGateway();
  await stage.addElsewhere('live-missed');
  await until(() => subscriptions.length === 2);
  await page.waitForTimeout(500);
  assert.equal(await news(page).innerText(), '');
  await stage.addElsewhere('live-again');
  await news(page).getByText('1 new status', { exact: true }).waitFor();
  await show(page).click();
  await row(page, 'live-missed').waitFor();
  await row(page, 'live-again').waitFor();
  await close({ complaint: /WebSocket/ });
});

test('the page mentions a connection that stays lost, and later that statuses may have been missed', async () => {
  const { page, subscriptions, close } = await subscribed();
  await page.clock.install();
  await stage.stopGateway();
  await page.clock.runFor(20_000);
  assert.equal(await news(page).innerText(), '');
  await page.clock.runFor(11_000);
  await news(page).getByRole('status').getByText('Live updates are interrupted.').waitFor();
  assert.equal(await table(page).count(), 1);

  await stage.startGateway();
  await stage.addElsewhere('live-meanwhile');
  const before = subscriptions.length;
  for (let attempts = 0; subscriptions.length === before; attempts += 1) {
    assert.ok(attempts < 20);
    await page.clock.runFor(10_000);
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  await news(page).getByText('There may be new statuses').waitFor();
  await news(page).getByText('Live updates are interrupted.').waitFor({ state: 'detached' });
  await show(page).click();
  await row(page, 'live-meanwhile').waitFor();
  await close({ complaint: /WebSocket/ });
});

test('a subscription whose token has expired is started again with a current one', async () => {
  const { page, subscriptions, close } = await subscribed();
  await stage.addElsewhere('live-good');
  await news(page).getByText('1 new status', { exact: true }).waitFor();
  await page.waitForTimeout(1_000);
  await stage.faults('claims-challenge;method=GET;path=iosLobAppProvisioningConfigurations/;times=1');
  await stage.addElsewhere('live-expired');
  await news(page).getByText('At least 1 new status', { exact: true }).waitFor();
  await until(() => subscriptions.length === 2);
  await page.waitForTimeout(500);
  await stage.addElsewhere('live-renewed');
  await news(page).getByText('At least 2 new statuses', { exact: true }).waitFor();
  await show(page).click();
  await row(page, 'live-expired').waitFor();
  await row(page, 'live-renewed').waitFor();
  await close();
});

const WITHOUT = [
  ['a browser without WebSocket', (page) => page.addInitScript(() => delete globalThis.WebSocket)],
  ['a network that blocks WebSockets', (page) => page.routeWebSocket('**/graphql', (socket) => socket.close())],
];
for (const [name, prepare] of WITHOUT) {
  test(`${name}: the page works without live updates`, async () => {
    const { page, close } = await open(stage, { prepare });
    await table(page).waitFor();
    await stage.addElsewhere('not-announced');
    await fillForm(page, 'added-without');
    await add(page);
    await form(page).getByText('added-without was added.').waitFor();
    assert.equal(await news(page).innerText(), '');
    await page.getByRole('button', { name: 'Reload' }).click();
    await row(page, 'not-announced').first().waitFor();
    await close();
  });
}
