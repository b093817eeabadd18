// Layout and accessibility: both themes, two widths, keyboard only, and screen readers.

import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import path from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';

import { add, artefacts, fillForm, form, news, notice, open, raise, row, table } from './stage.mjs';

const axe = createRequire(import.meta.url).resolve('axe-core/axe.min.js');

let stage;
// One for each test, because a gateway applies a `Retry-After` of one minute to later requests of the caller.
beforeEach(async () => {
  stage = await raise();
});
afterEach(() => stage.stop());

/** The violations of WCAG 2.2, levels A and AA, that axe finds: contrast, names, roles. */
async function violations(page) {
  await page.addScriptTag({ path: axe });
  const found = await page.evaluate(async () => {
    const { violations } = await globalThis.axe.run({ runOnly: ['wcag2a', 'wcag2aa', 'wcag21aa', 'wcag22aa'] });
    return violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html, failureSummary }) => `${html} ${failureSummary}`).join('; ')}`);
  });
  return found;
}

for (const colorScheme of ['light', 'dark']) {
  for (const width of [1280, 480]) {
    test(`${colorScheme}, ${width} pixels wide`, async () => {
      const { page, close } = await open(stage, { viewport: { width, height: 900 }, colorScheme, reducedMotion: 'reduce' });
      const shoot = async (name, options) => {
        const overflow = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
        assert.ok(overflow <= 0, `${name}: ${overflow} pixels are cut off`);
        await page.screenshot({ path: path.join(artefacts, `${name}-${colorScheme}-${width}.png`), ...options });
        assert.deepEqual(await violations(page), [], name);
      };
      await table(page).waitFor();
      await page.getByRole('figure').getByRole('button', { name: /^Error/ }).click();
      await page.getByText('in total').waitFor();
      await page.locator('.region[aria-busy="true"]').first().waitFor({ state: 'detached' });
      await shoot('list', { fullPage: true });

      for (const number of [1, 2, 3]) await stage.addElsewhere(`new-${number}`);
      await news(page).getByText('3 new statuses').waitFor();
      await shoot('news-filtered');
      await page.getByRole('figure').getByRole('button', { name: /^Error/ }).click();
      await page.getByText('1,08').first().waitFor();
      await shoot('news');
      await page.getByRole('figure').getByRole('button', { name: /^Error/ }).click();
      await page.getByRole('search').getByLabel('Device name contains').fill('no such device');
      await page.getByRole('button', { name: 'Search' }).click();
      await page.getByText('No statuses match this filter').waitFor();
      await shoot('empty', { fullPage: true });
      await page.getByRole('button', { name: 'Clear the filter' }).click();
      await table(page).waitFor();
      await page.getByRole('figure').getByRole('button', { name: /^Error/ }).click();

      await stage.faults('503;retry-after=60;method=GET;path=conflict');
      await page.reload();
      await page.getByText('1 count could not be read.').waitFor();
      await table(page).waitFor();
      await shoot('counts');
      await stage.faults();
      await page.reload();
      await table(page).waitFor();
      await page.getByRole('figure').getByRole('button', { name: /^Error/ }).click();

      await stage.faults('slow-first-byte;wait=2s;method=POST;path=deviceStatuses;times=1');
      await page.getByRole('figure').getByRole('button', { name: /^Error/ }).click();
      await page.getByText('1,0').first().waitFor();
      const name = `${colorScheme}-${width}-ipad`;
      await fillForm(page, name);
      await add(page);
      await row(page, name).getByText('Adding…').waitFor();
      await page.screenshot({ path: path.join(artefacts, `pending-${colorScheme}-${width}.png`) });
      await form(page).getByText(`${name} was added.`).waitFor();

      for (const [fault, code] of [['drop-applied', 'OUTCOME_UNKNOWN'], ['429;retry-after=60', 'THROTTLED']]) {
        await stage.faults(`${fault};method=POST;path=deviceStatuses;times=1`);
        await page.reload();
        await table(page).waitFor();
        await fillForm(page, `${name}-${code}`);
        await add(page);
        await page.locator(`.notice[data-code="${code}"]`).waitFor();
        // Some errors have no response from Graph.
        if (await notice(page).locator('summary').count() > 0) await notice(page).locator('summary').click();
        await notice(page).scrollIntoViewIfNeeded();
        await shoot(code.toLowerCase().replace('_', '-'));
      }
      await close();
    });
  }
}

test('a status is added with the keyboard only', async () => {
  const { page, close } = await open(stage);
  await table(page).waitFor();
  const focus = () => page.evaluate(() => document.activeElement.getAttribute('name') ?? document.activeElement.innerText);
  const tabTo = async (name) => {
    for (let steps = 0; await focus() !== name; steps += 1) {
      assert.ok(steps < 60, `no way to ${name}`);
      await page.keyboard.press('Tab');
    }
  };
  await tabTo('Add a status');
  await page.keyboard.press('Enter');
  for (const [field, text] of [
    ['deviceDisplayName', 'keyed-ipad'], ['deviceModel', 'iPad13,8'], ['userName', 'Adele'], ['userPrincipalName', 'a@contoso.example'],
  ]) {
    await tabTo(field);
    await page.keyboard.type(text);
  }
  await page.keyboard.press('Enter');
  await form(page).getByText('keyed-ipad was added.').waitFor();
  await page.waitForFunction(() => document.activeElement.getAttribute('name') === 'deviceDisplayName');
  assert.equal(await stage.countOf('keyed-ipad'), 1);
  await close();
});
