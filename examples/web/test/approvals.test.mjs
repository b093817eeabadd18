// Multi Admin Approval: a status that a second administrator has to approve, from the first refusal to the list.

import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import path from 'node:path';
import { after, before, beforeEach, test } from 'node:test';

import { add, artefacts, fillForm, form, notice, open, raise, row, sentBy, table } from './stage.mjs';

const axe = createRequire(import.meta.url).resolve('axe-core/axe.min.js');

let stage;
before(async () => {
  stage = await raise({ sandbox: ['--ids', 'keep', '--approval', 'apps'] });
});
after(() => stage.stop());
beforeEach(() => stage.begin());

const code = (page) => notice(page).getByLabel('Approval code').inputValue();
const reason = (page) => notice(page).getByLabel('Justification');
const ask = (page) => notice(page).getByRole('button', { name: 'Ask for approval' });
const sendApproved = (page) => notice(page).getByRole('button', { name: 'Send after approval' });
const tells = (page, title) => notice(page).getByRole('heading', { name: title, exact: true }).waitFor();

/** Fills the form, and sends it with a justification. */
async function askFor(page, name) {
  await table(page).waitFor();
  await fillForm(page, name);
  await add(page);
  await tells(page, 'A second administrator has to approve this');
  await reason(page).fill('Ticket 4711: größeres Gerät');
  await ask(page).click();
  await tells(page, 'Waiting for approval');
}

test('a status is added after its approval, with one idempotency key', async () => {
  const { page, close } = await open(stage);
  const inputs = sentBy(page);
  await table(page).waitFor();
  await fillForm(page, 'approved-ipad');
  await add(page);
  await tells(page, 'A second administrator has to approve this');
  assert.equal(await row(page, 'approved-ipad').count(), 0);
  assert.ok(await form(page).getByLabel('Device name').isDisabled());
  assert.ok(await ask(page).isDisabled(), 'a justification is needed');
  await reason(page).fill('ü'.repeat(385));
  await notice(page).getByText('The text is too long.').waitFor();
  assert.ok(await ask(page).isDisabled());
  await reason(page).fill('Ticket 4711: größeres Gerät');
  await page.screenshot({ path: path.join(artefacts, 'approval-required.png') });
  await ask(page).click();

  await tells(page, 'Waiting for approval');
  await notice(page).getByText('Nothing was added.').waitFor();
  const [request] = await stage.approvals();
  assert.equal(request.justification, 'Ticket 4711: größeres Gerät');
  assert.equal(await code(page), request.code);
  await page.addScriptTag({ path: axe });
  const { violations } = await page.evaluate(() => globalThis.axe.run({ runOnly: ['wcag2a', 'wcag2aa', 'wcag21aa', 'wcag22aa'] }));
  assert.deepEqual(violations, []);
  await page.screenshot({ path: path.join(artefacts, 'approval-pending.png') });

  // Too early: Graph does not return the code again, and the page still shows it.
  const refused = page.waitForResponse((response) => response.request().postDataJSON().operationName === 'AddStatusMutation');
  await sendApproved(page).click();
  await refused;
  await tells(page, 'Waiting for approval');
  assert.equal(await code(page), request.code);

  await stage.decide(request.code, 'approve');
  await sendApproved(page).click();
  await form(page).getByText('approved-ipad was added.').waitFor();
  await row(page, 'approved-ipad').waitFor();
  assert.equal(await stage.countOf('approved-ipad'), 1);
  const approvals = inputs.map(({ approval }) => approval);
  const withCode = { code: request.code };
  assert.deepEqual(approvals, [undefined, { justification: 'Ticket 4711: größeres Gerät' }, withCode, withCode]);
  const [first, ...others] = inputs.map(({ approval, ...input }) => input);
  for (const other of others) assert.deepEqual(other, first, 'the same input, with the same key');
  await close();
});

test('after a refusal, another approval can be asked for', async () => {
  const { page, close } = await open(stage);
  await askFor(page, 'refused-ipad');
  const refused = await code(page);
  await stage.decide(refused, 'refuse');
  await sendApproved(page).click();
  await tells(page, 'The approval was not accepted');
  assert.equal(await code(page), refused, 'it may be approved by now');
  await reason(page).fill('It is needed nevertheless');
  await ask(page).click();
  await tells(page, 'Waiting for approval');
  const next = await code(page);
  assert.notEqual(next, refused);
  await stage.decide(next, 'approve');
  await sendApproved(page).click();
  await form(page).getByText('refused-ipad was added.').waitFor();
  assert.equal(await stage.countOf('refused-ipad'), 1);
  await close();
});

test('a retry after another error sends the code again', async () => {
  const { page, close } = await open(stage);
  const inputs = sentBy(page);
  await askFor(page, 'interrupted-ipad');
  const held = await code(page);
  await stage.decide(held, 'approve');
  await stage.faults('404;method=POST;path=deviceStatuses;times=1');
  await sendApproved(page).click();
  await tells(page, 'Not found');
  await notice(page).getByRole('button', { name: 'Try again' }).click();
  await form(page).getByText('interrupted-ipad was added.').waitFor();
  assert.deepEqual(inputs.map(({ approval }) => approval?.code).slice(2), [held, held]);
  assert.equal(await stage.countOf('interrupted-ipad'), 1);
  await close();
});

test('the user can give up and edit the form', async () => {
  const { page, close } = await open(stage);
  const inputs = sentBy(page);
  await askFor(page, 'abandoned-ipad');
  await notice(page).getByRole('button', { name: 'Edit the form' }).click();
  await notice(page).waitFor({ state: 'detached' });
  assert.equal(await form(page).getByLabel('Device name').inputValue(), 'abandoned-ipad');
  await add(page);
  await tells(page, 'A second administrator has to approve this');
  assert.equal(inputs[2].approval, undefined);
  assert.notEqual(inputs[2].idempotencyKey, inputs[0].idempotencyKey);
  assert.equal(await stage.countOf('abandoned-ipad'), 0);
  await close();
});
