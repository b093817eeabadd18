// A new status: shown before the answer, taken back where it fails, and never added twice.

import assert from 'node:assert/strict';
import { after, before, beforeEach, test } from 'node:test';

import { add, fillForm, form, notice, open, raise, row, rows, table } from './stage.mjs';

let stage;
before(async () => {
  // Where Graph keeps callers' ids, the gateway can look whether a lost create happened.
  stage = await raise({ sandbox: ['--ids', 'keep'] });
});
after(() => stage.stop());
beforeEach(() => stage.begin());

/** What the page has sent of `addDeviceStatus`, as it goes on. */
function sentBy(page) {
  const inputs = [];
  page.on('request', (request) => {
    const body = request.postDataJSON?.();
    if (body?.operationName === 'AddStatusMutation') inputs.push(body.variables.input);
  });
  return inputs;
}

const total = (page) => page.getByRole('figure').locator('figcaption').innerText();
const CREATE = 'method=POST;path=deviceStatuses';

test('a new status is shown at once, and is the real one when the answer is there', async () => {
  const { page, close } = await open(stage);
  const inputs = sentBy(page);
  await table(page).waitFor();
  const before = await total(page);
  await stage.faults(`slow-first-byte;wait=2s;${CREATE};times=1`);
  await fillForm(page, 'quick-ipad');
  await add(page);

  const pending = rows(page).and(page.locator('[aria-busy="true"]'));
  await pending.getByText('quick-ipad').waitFor();
  await pending.getByText('Adding…').waitFor();
  assert.equal(await total(page), before, 'what is counted is there');
  assert.ok(await form(page).getByLabel('Device name').isDisabled());

  await form(page).getByText('quick-ipad was added.').waitFor();
  assert.equal(await pending.count(), 0);
  assert.equal(await row(page, 'quick-ipad').count(), 1);
  await page.getByRole('figure', { name: '1,081 device statuses' }).waitFor();
  await page.getByText('Page 1 · 1,081 in total').waitFor();
  assert.equal(await stage.countOf('quick-ipad'), 1);
  assert.equal(inputs.length, 1);
  assert.match(inputs[0].idempotencyKey, /^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/);

  // The form is ready for the next one.
  assert.equal(await form(page).getByLabel('Device name').inputValue(), '');
  assert.ok(await form(page).getByLabel('Device name').evaluate((input) => input === document.activeElement));
  await page.getByRole('button', { name: 'Reload' }).click();
  await row(page, 'quick-ipad').waitFor();
  await close();
});

test('a status that is refused is taken back, and the form keeps its content and its key', async () => {
  const { page, close } = await open(stage);
  const inputs = sentBy(page);
  await table(page).waitFor();
  const shown = await rows(page).allInnerTexts();
  await stage.faults(`slow-first-byte;wait=2s;${CREATE};times=1`, `403;${CREATE};times=1`);
  await fillForm(page, 'refused-ipad');
  await add(page);
  await row(page, 'refused-ipad').getByText('Adding…').waitFor();

  await notice(page).getByText('You do not have permission').waitFor();
  await notice(page).getByText('Nothing was added.').waitFor();
  await notice(page).locator('.notice-quote').getByText('User is not authorized').waitFor();
  assert.ok(await notice(page).evaluate((element) => element === document.activeElement));
  assert.deepEqual(await rows(page).allInnerTexts(), shown);
  assert.equal(await form(page).getByLabel('Device name').inputValue(), 'refused-ipad');
  assert.equal(await form(page).getByLabel('User', { exact: true }).inputValue(), 'Adele Vance');
  assert.equal(await stage.countOf('refused-ipad'), 0);

  await notice(page).getByRole('button', { name: 'Try again' }).click();
  await form(page).getByText('refused-ipad was added.').waitFor();
  assert.deepEqual(inputs[1], inputs[0], 'the same call, under the same key');
  assert.equal(await stage.countOf('refused-ipad'), 1);

  // Other content is another status.
  await fillForm(page, 'next-ipad');
  await add(page);
  await form(page).getByText('next-ipad was added.').waitFor();
  assert.notEqual(inputs[2].idempotencyKey, inputs[0].idempotencyKey);
  await close();
});

test('content that was changed after a failure goes under a key of its own', async () => {
  const { page, close } = await open(stage);
  const inputs = sentBy(page);
  await table(page).waitFor();
  await stage.faults(`400;message=The model is not known;${CREATE};times=1`);
  await fillForm(page, 'mended-ipad');
  await add(page);
  await notice(page).getByText('The model is not known').first().waitFor();
  await form(page).getByLabel('Model').fill('iPad13,8');
  await add(page);
  await form(page).getByText('mended-ipad was added.').waitFor();
  assert.notEqual(inputs[1].idempotencyKey, inputs[0].idempotencyKey);
  await close();
});

test('where the outcome is unknown, trying again is safe: there is one in the end', async () => {
  const { page, close } = await open(stage);
  const inputs = sentBy(page);
  await table(page).waitFor();
  // It is carried out and the answer lost; and then the gateway is not let look whether it is there.
  await stage.faults(`drop-applied;${CREATE};times=1`, '403;method=GET;path=deviceStatuses/;times=1');
  await fillForm(page, 'lost-ipad');
  await add(page);
  await notice(page).getByText('The status may have been added', { exact: true }).waitFor();
  assert.equal(await notice(page).getAttribute('data-code'), 'OUTCOME_UNKNOWN');
  assert.equal(await row(page, 'lost-ipad').count(), 0, 'it is not shown as if it were there');
  assert.equal(await stage.countOf('lost-ipad'), 1);
  // What was sent cannot be changed now, nor be sent as another.
  assert.ok(await form(page).getByLabel('Device name').isDisabled());
  assert.ok(await form(page).getByRole('button', { name: 'Add', exact: true }).isDisabled());

  await notice(page).getByRole('button', { name: 'Try again safely' }).click();
  await form(page).getByText('lost-ipad was added.').waitFor();
  await row(page, 'lost-ipad').waitFor();
  assert.deepEqual(inputs[1], inputs[0], 'the same call, under the same key');
  assert.equal(await stage.countOf('lost-ipad'), 1);
  await close();
});

test('what stays unknown is looked for in the list, and the form can be given back', async () => {
  const { page, close } = await open(stage);
  await table(page).waitFor();
  await stage.faults(`drop-applied;${CREATE};times=1`, '403;method=GET;path=deviceStatuses/');
  await fillForm(page, 'lasting-ipad');
  await add(page);
  const again = page.waitForResponse((response) => response.request().postDataJSON().operationName === 'AddStatusMutation');
  await notice(page).getByRole('button', { name: 'Try again safely' }).click();
  await again;
  await notice(page).getByText('The status may have been added', { exact: true }).waitFor();
  assert.equal(await row(page, 'lasting-ipad').count(), 0);

  await notice(page).getByRole('button', { name: 'Check the list' }).click();
  await row(page, 'lasting-ipad').waitFor();
  await notice(page).getByRole('button', { name: 'Edit the form' }).click();
  await notice(page).waitFor({ state: 'detached' });
  assert.equal(await form(page).getByLabel('Device name').inputValue(), 'lasting-ipad');
  assert.equal(await stage.countOf('lasting-ipad'), 1);
  await close();
});

test('a status that the filter hides is added, and said to be hidden', async () => {
  const { page, close } = await open(stage);
  await table(page).waitFor();
  await page.getByRole('search').getByLabel('Status').selectOption('ERROR');
  await page.getByText(`Page 1 · ${(await stage.counts()).ERROR} in total`).waitFor();
  await fillForm(page, 'hidden-ipad');
  await add(page);
  await form(page).getByText('hidden-ipad was added. The list does not show it').waitFor();
  assert.equal(await row(page, 'hidden-ipad').count(), 0);
  assert.equal(await stage.countOf('hidden-ipad'), 1);
  await close();
});
