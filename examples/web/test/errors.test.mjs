// Each error by its code. The sandbox and the gateway produce it where they can; otherwise the test replaces the response.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { after, before, beforeEach, test } from 'node:test';

import { add, artefacts, fillForm, folder, form, notice, onceAdded, open, raise, row, table } from './stage.mjs';

let stage;
before(async () => {
  // Shorter than Graph's `Retry-After`, so that the gateway returns `THROTTLED` instead of waiting.
  stage = await raise({ gateway: ['--request-timeout', '3s'] });
});
after(() => stage.stop());
beforeEach(() => stage.begin());

const LIST = 'method=GET;path=iosLobAppProvisioningConfigurations';
const CREATE = 'method=POST;path=deviceStatuses;times=1';

/** Waits for the notice with this code and title. */
async function tells(page, code, title) {
  await page.locator(`.notice[data-code="${code}"]`).getByRole('heading', { name: title, exact: true }).waitFor();
}

const READS = [
  ['claims-challenge', 'UNAUTHENTICATED', 'Sign in again'],
  ['403', 'FORBIDDEN', 'You do not have permission'],
  ['500', 'UPSTREAM_ERROR', 'Microsoft Graph failed'],
  ['503', 'UPSTREAM_UNAVAILABLE', 'Microsoft Graph is unavailable'],
  ['slow-first-byte;wait=20s', 'UPSTREAM_TIMEOUT', 'Microsoft Graph took too long'],
  ['missing-route', 'UPSTREAM_NOT_SUPPORTED', 'Not available in this tenant'],
];
for (const [fault, code, title] of READS) {
  test(`a list that fails with ${code} shows the error, and loads when it is tried again`, async () => {
    await stage.faults(`${fault};${LIST}`);
    const { page, close } = await open(stage);
    await tells(page, code, title);
    await stage.faults();
    await notice(page).getByRole('button', { name: 'Try again' }).click();
    await table(page).waitFor();
    await notice(page).waitFor({ state: 'detached' });
    await close();
  });
}

test('a throttled list shows a countdown, and can then be tried again', async () => {
  await stage.faults(`429;retry-after=4;${LIST};times=1`);
  const { page, close } = await open(stage);
  await tells(page, 'THROTTLED', 'Too many requests');
  const button = notice(page).getByRole('button', { name: 'Try again' });
  assert.ok(await button.isDisabled());
  const seconds = await page.getByRole('timer').evaluate((timer) => new Promise((resolve) => {
    const seen = [];
    const look = () => {
      if (timer.hidden) resolve(seen);
      else seen.push(Number(timer.querySelector('strong').textContent.match(/\d+/)[0]));
    };
    look();
    new MutationObserver(look).observe(timer, { attributes: true, characterData: true, subtree: true });
  }));
  assert.ok(seconds[0] <= 4 && seconds.length > 1, seconds.join());
  assert.ok(seconds.every((second, index) => index === 0 || second < seconds[index - 1]), seconds.join());
  await notice(page).getByRole('status').getByText('You can try again now.').waitFor();
  await button.click();
  await table(page).waitFor();
  await close();
});

const WRITES = [
  ['claims-challenge', 'UNAUTHENTICATED', 'Sign in again'],
  ['403', 'FORBIDDEN', 'You do not have permission'],
  ['404', 'NOT_FOUND', 'Not found'],
  ['409', 'CONFLICT', 'Conflict with existing data'],
  ['429;retry-after=3', 'THROTTLED', 'Too many requests'],
  ['503;retry-after=3', 'UPSTREAM_UNAVAILABLE', 'Microsoft Graph is unavailable'],
  ['missing-route', 'UPSTREAM_NOT_SUPPORTED', 'Not available in this tenant'],
];
for (const [fault, code, title] of WRITES) {
  test(`a status that fails with ${code} is not listed, and is added when it is tried again`, async () => {
    const name = `ipad-${code.toLowerCase()}-test`;
    const { page, close } = await open(stage);
    await table(page).waitFor();
    await stage.faults(`${fault};${CREATE}`);
    await fillForm(page, name);
    await add(page);
    await tells(page, code, title);
    await notice(page).getByText('Nothing was added.').waitFor();
    assert.equal(await row(page, name).count(), 0);
    assert.equal(await stage.countOf(name), 0);
    assert.equal(await form(page).getByLabel('Device name').inputValue(), name);

    const button = notice(page).getByRole('button', { name: 'Try again' });
    if (fault.includes('retry-after')) {
      assert.ok(await button.isDisabled());
      assert.ok(await form(page).getByRole('button', { name: 'Add', exact: true }).isDisabled());
      await page.getByRole('timer').getByText(/Try again in \d s/).waitFor();
      await page.getByRole('timer').waitFor({ state: 'hidden' });
    }
    await button.click();
    await form(page).getByText(`${name} was added.`).waitFor();
    await row(page, name).waitFor();
    assert.equal(await stage.countOf(name), 1);
    await close();
  });
}

test('the ids for support are shown if Graph was called, and can be copied', async () => {
  await stage.faults(`403;${LIST}`);
  const { page, close } = await open(stage, { permissions: ['clipboard-read', 'clipboard-write'] });
  await tells(page, 'FORBIDDEN', 'You do not have permission');
  const support = notice(page).locator('details');
  assert.equal(await support.evaluate((details) => details.open), false);
  await support.getByText('For support').click();
  const ID = /[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}/;
  assert.match(await support.innerText(), /Graph status\s+403 /);
  assert.match(await support.innerText(), new RegExp(`Request ID\\s+${ID.source}`));
  const [clientRequestId] = (await support.innerText()).match(new RegExp(`(?<=Client request ID\\s+)${ID.source}`));
  await support.getByRole('button', { name: 'Copy client request ID' }).click();
  await support.getByRole('status').getByText('Copied').waitFor();
  assert.equal(await page.evaluate(() => navigator.clipboard.readText()), clientRequestId);

  // Without the clipboard, the id is selected.
  await page.evaluate(() => { navigator.clipboard.writeText = () => Promise.reject(new Error('blocked')); });
  await support.getByRole('button', { name: 'Copy client request ID' }).click();
  await support.getByText('Selected: press Ctrl+C to copy').waitFor();
  assert.equal(await page.evaluate(() => getSelection().toString()), clientRequestId);

  // The gateway itself rejects the request, so there are no ids for Microsoft's support.
  await page.route('**/graphql', (route) => route.abort());
  await page.reload();
  await tells(page, 'NO_ANSWER', 'The gateway cannot be reached');
  assert.equal(await page.getByText('For support').count(), 0);
  await close({ complaint: /^error: Failed to load resource/ });
});

test('missing permissions are named', async () => {
  const { page, close } = await open(stage);
  await table(page).waitFor();
  // The token may only read.
  await page.route('**/graphql', (route) =>
    route.continue({ headers: { ...route.request().headers(), authorization: 'Bearer read-only-token' } }));
  await fillForm(page, 'not-allowed');
  await add(page);
  await tells(page, 'FORBIDDEN', 'You do not have permission');
  await notice(page).getByText('one of these permissions').waitFor();
  const permissions = await notice(page).getByRole('listitem').allInnerTexts();
  assert.deepEqual(permissions, ['DeviceManagementConfiguration.ReadWrite.All', 'DeviceManagementApps.ReadWrite.All']);
  await page.screenshot({ path: path.join(artefacts, 'forbidden.png') });
  await close();
});

test('a count that fails does not hide the others', async () => {
  const { COMPLIANT: compliant } = await stage.counts();
  await stage.faults('400;method=GET;path=conflict');
  const { page, close } = await open(stage);
  const chart = page.getByRole('figure');
  await chart.getByRole('button', { name: 'Conflict –' }).waitFor();
  await chart.getByRole('button', { name: `Compliant ${compliant}` }).waitFor();
  await table(page).waitFor();
  assert.equal(await notice(page).count(), 0);
  await close();
});

test('throttled counts show a countdown, and can then be tried again', async () => {
  // A separate gateway, so that a `Retry-After` of other tests is not pending.
  const own = await raise({ gateway: ['--request-timeout', '3s'] });
  try {
    // Only the counts: a list that is throttled first would throttle the read of the configuration too.
    await own.faults('429;retry-after=4;method=GET;path=filter');
    const chart = (page) => page.getByRole('figure');
    const { page, close } = await open(own);
    const overview = page.locator('.overview');
    await overview.locator('.notice[data-code="THROTTLED"]').waitFor();
    await overview.getByRole('timer').getByText(/Try again in \d s/).waitFor();
    assert.equal(await chart(page).count(), 0, 'an unknown total is not shown');
    await own.faults();
    await overview.getByRole('timer').waitFor({ state: 'hidden' });
    await overview.getByRole('button', { name: 'Try again' }).click();
    await chart(page).waitFor();
    await close();
  } finally {
    await own.stop();
  }
});

test('one throttled count shows a countdown beside the others, and can then be tried again', async () => {
  // A separate gateway, so that a `Retry-After` of other tests is not pending.
  const own = await raise({ gateway: ['--request-timeout', '3s'] });
  try {
    await own.faults('429;retry-after=4;method=GET;path=conflict');
    const { page, close } = await open(own);
    const chart = page.getByRole('figure');
    await chart.getByText('1 count could not be read.').waitFor();
    await chart.getByRole('button', { name: /^Try again in \d s$/ }).waitFor();
    assert.ok(await chart.getByRole('button', { name: 'Try again' }).isDisabled());
    await chart.getByText('For support').waitFor();
    await own.faults();
    await chart.getByRole('button', { name: 'Try again', exact: true }).click();
    await chart.getByRole('button', { name: /^Conflict \d+$/ }).waitFor();
    await chart.getByText('could not be read').waitFor({ state: 'detached' });
    await close();
  } finally {
    await own.stop();
  }
});

test('a list that fails does not hide the chart and the form', async () => {
  const { page, close } = await open(stage);
  await table(page).waitFor();
  await fillForm(page, 'half-typed');
  await stage.faults('403;method=GET;path=deviceStatuses?');
  await page.getByRole('button', { name: 'Reload' }).click();
  await tells(page, 'FORBIDDEN', 'You do not have permission');
  await page.getByRole('figure').getByRole('button', { name: /^Compliant/ }).waitFor();
  assert.equal(await form(page).getByLabel('Device name').inputValue(), 'half-typed');
  await stage.faults();
  await page.getByRole('button', { name: 'Reload' }).click();
  await table(page).waitFor();
  await close();
});

test('a list that is throttled as a whole does not hide the configuration and its chart', async () => {
  const own = await raise({ gateway: ['--request-timeout', '3s'] });
  try {
    const { page, close } = await open(own, {
      // The list is read after the configuration is shown. The caller is throttled by then.
      prepare: (page) => page.route('**/graphql', async (route) => {
        if (route.request().postDataJSON().operationName === 'StatusTableQuery') {
          await page.getByRole('figure').waitFor();
          await own.faults('429;retry-after=4;method=GET');
          await route.fetch();
        }
        await route.continue();
      }),
    });
    await notice(page).getByRole('heading', { name: 'Too many requests' }).waitFor();
    await page.locator('.overview').getByRole('figure').waitFor();
    assert.equal(await notice(page).count(), 1);
    await close();
  } finally {
    await own.stop();
  }
});

test('an overloaded gateway, and one that does not respond', async () => {
  const full = await raise({ gateway: ['--max-concurrent-requests', '1', '--max-queued-requests', '0'] });
  try {
    // Another request uses the only permit.
    await full.faults(`slow-first-byte;wait=60s;${LIST}`);
    const leave = new AbortController();
    const query = '{ iosLobAppProvisioningConfigurations { nodes { id } } }';
    const elsewhere = assert.rejects(full.graphql(query, {}, leave.signal), { name: 'AbortError' });
    await full.isAsked();
    const { page, close } = await open(full);
    await tells(page, 'OVERLOADED', 'The gateway is busy');
    await page.getByRole('timer').waitFor();
    leave.abort();
    await elsewhere;
    await page.route('**/graphql', (route) => route.abort());
    await page.reload();
    await tells(page, 'NO_ANSWER', 'The gateway cannot be reached');
    await close({ complaint: /^error: Failed to load resource/ });
  } finally {
    await full.stop();
  }
});

test('a write without a response from the gateway may have happened', async () => {
  const { page, close } = await open(stage);
  await table(page).waitFor();
  // The gateway executes the write, and its response is lost.
  await onceAdded(page, async (route) => {
    await route.fetch();
    await route.abort();
  });
  await fillForm(page, 'cut-off');
  await add(page);
  await tells(page, 'NO_ANSWER', 'The gateway cannot be reached');
  await notice(page).getByText('The status may have been added.').waitFor();
  await notice(page).getByRole('button', { name: 'Try again safely' }).click();
  await form(page).getByText('cut-off was added.').waitFor();
  assert.equal(await stage.countOf('cut-off'), 1);
  await close({ complaint: /^error: Failed to load resource/ });
});

test('if the key was used with other input, the form can be sent as a new status', async () => {
  const { page, close } = await open(stage);
  await table(page).waitFor();
  const keys = [];
  // The form cannot cause this by itself: the test gives the first call a key that was used with other input.
  await page.route('**/graphql', async (route) => {
    const body = route.request().postDataJSON();
    if (body.operationName !== 'AddStatusMutation') return route.continue();
    keys.push(body.variables.input.idempotencyKey);
    if (keys.length === 1) {
      const other = structuredClone(body);
      other.variables.input.deviceStatus.deviceDisplayName = 'something-else';
      await route.fetch({ postData: JSON.stringify(other) });
    }
    return route.continue();
  });
  await fillForm(page, 'clashing-key');
  await add(page);
  await tells(page, 'IDEMPOTENCY_KEY_REUSED', 'This form was sent before with other values');
  await notice(page).getByRole('button', { name: 'Send as a new status' }).click();
  await form(page).getByText('clashing-key was added.').waitFor();
  assert.notEqual(keys[1], keys[0]);
  assert.equal(await stage.countOf('clashing-key'), 1);
  await close();
});

test('every code of the schema has a text of its own', async () => {
  const schema = await readFile(path.join(folder, '../../schema.graphql'), 'utf8');
  const codes = schema.match(/^enum ErrorCode \{(.*?)^\}/ms)[1].match(/^\t[A-Z_]+$/gm).map((line) => line.trim());
  assert.ok(codes.length > 20, codes.join());
  const { page, close } = await open(stage);
  let code;
  await page.route('**/graphql', (route) => route.fulfill({
    json: {
      data: { iosLobAppProvisioningConfigurations: null },
      errors: [{ message: 'as the gateway says', path: ['iosLobAppProvisioningConfigurations'], extensions: { code, retryable: false } }],
    },
  }));
  const titles = new Map();
  for (code of [...codes, 'A_CODE_THAT_IS_NEWER']) {
    await page.reload();
    const shown = page.locator(`.notice[data-code="${code}"]`);
    await shown.waitFor();
    titles.set(code, await shown.getByRole('heading').innerText());
  }
  const otherwise = titles.get('A_CODE_THAT_IS_NEWER');
  assert.equal(otherwise, 'Something went wrong');
  for (const known of codes) assert.notEqual(titles.get(known), otherwise, known);
  await page.screenshot({ path: path.join(artefacts, 'newer-code.png') });
  await close();
});
