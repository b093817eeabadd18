// A new status is shown before the response, removed on failure, and never added twice.

import assert from 'node:assert/strict';
import { after, before, beforeEach, test } from 'node:test';

import { add, fillForm, form, notice, open, raise, row, rows, sentBy, table } from './stage.mjs';

let stage;
before(async () => {
  // If Graph stores client-supplied ids, the gateway can read back a create whose response was lost.
  stage = await raise({ sandbox: ['--ids', 'keep'] });
});
after(() => stage.stop());
beforeEach(() => stage.begin());

const total = (page) => page.getByRole('figure').locator('figcaption').innerText();
const CREATE = 'method=POST;path=deviceStatuses';

test('a new status is shown at once, and the response replaces it', async () => {
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
  assert.equal(await total(page), before, 'the counts do not include the optimistic row');
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

test('a rejected status is removed, and the form keeps its values and its key', async () => {
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
  assert.deepEqual(inputs[1], inputs[0], 'the same input, with the same key');
  assert.equal(await stage.countOf('refused-ipad'), 1);

  // Other values are another status.
  await fillForm(page, 'next-ipad');
  await add(page);
  await form(page).getByText('next-ipad was added.').waitFor();
  assert.notEqual(inputs[2].idempotencyKey, inputs[0].idempotencyKey);
  await close();
});

test('values that are changed after a failure are sent with a new key', async () => {
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

test('a retry after an unknown outcome adds the status once', async () => {
  const { page, close } = await open(stage);
  const inputs = sentBy(page);
  await table(page).waitFor();
  // The write is executed, its response is lost, and the read-back fails.
  await stage.faults(`drop-applied;${CREATE};times=1`, '403;method=GET;path=deviceStatuses/;times=1');
  await fillForm(page, 'lost-ipad');
  await add(page);
  await notice(page).getByText('The status may have been added', { exact: true }).waitFor();
  assert.equal(await notice(page).getAttribute('data-code'), 'OUTCOME_UNKNOWN');
  assert.equal(await row(page, 'lost-ipad').count(), 0, 'a status with an unknown outcome is not shown');
  assert.equal(await stage.countOf('lost-ipad'), 1);
  // The values cannot be changed now, and cannot be sent as another status.
  assert.ok(await form(page).getByLabel('Device name').isDisabled());
  assert.ok(await form(page).getByRole('button', { name: 'Add', exact: true }).isDisabled());

  await notice(page).getByRole('button', { name: 'Try again safely' }).click();
  await form(page).getByText('lost-ipad was added.').waitFor();
  await row(page, 'lost-ipad').waitFor();
  assert.deepEqual(inputs[1], inputs[0], 'the same input, with the same key');
  assert.equal(await stage.countOf('lost-ipad'), 1);
  await close();
});

test('while the outcome stays unknown, the user can check the list and edit the form', async () => {
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

test('a status that the filter hides is added, and the page mentions that it is hidden', async () => {
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
