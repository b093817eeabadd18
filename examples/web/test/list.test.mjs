// Configurations, their counts, and the pages of their statuses.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { CONFIGURATION, open, raise, rows, table } from './stage.mjs';

let stage;
before(async () => {
  stage = await raise();
});
after(() => stage.stop());

/** The list, read as the page reads it. */
const STATUSES = `query ($id: ID!, $after: String, $filter: DeviceStatusFilter) {
  iosLobAppProvisioningConfiguration(id: $id) {
    deviceStatuses(first: 20, after: $after, filter: $filter, orderBy: { field: LAST_REPORTED_DATE_TIME, direction: DESC }) {
      totalCount
      nodes { deviceDisplayName }
      pageInfo { endCursor }
    }
  }
}`;

async function statuses(variables = {}) {
  const data = await stage.graphql(STATUSES, { id: CONFIGURATION, ...variables });
  const { nodes, ...list } = data.iosLobAppProvisioningConfiguration.deviceStatuses;
  return { ...list, names: nodes.map(({ deviceDisplayName }) => deviceDisplayName) };
}

/** Waits until the table shows these devices, in this order. */
async function shows(page, names) {
  await rows(page).locator(`nth=0`).getByText(names[0], { exact: true }).waitFor();
  const shown = await rows(page).locator('td:first-child').evaluateAll((cells) => cells.map((cell) => cell.firstChild.textContent));
  assert.deepEqual(shown, names);
}

test('configurations are listed, and selecting one shows it', async () => {
  const { page, close } = await open(stage);
  const data = await stage.graphql('{ iosLobAppProvisioningConfigurations { nodes { displayName } } }');
  const names = data.iosLobAppProvisioningConfigurations.nodes.map(({ displayName }) => displayName);
  const chooser = page.getByRole('navigation', { name: 'Configurations' });
  await chooser.getByRole('button').first().waitFor();
  assert.deepEqual(await chooser.locator('button > span').allInnerTexts(), names.toSorted());
  for (const name of names) {
    await chooser.getByRole('button', { name }).click();
    await page.getByRole('heading', { name, exact: true }).waitFor();
    assert.equal(await chooser.locator('[aria-current="true"] > span').innerText(), name);
  }
  await close();
});

test('the chart shows the counts of the API', async () => {
  const { page, close } = await open(stage);
  const data = await stage.graphql(
    'query ($id: ID!) { iosLobAppProvisioningConfiguration(id: $id) { deviceStatusCounts { status count } } }',
    { id: CONFIGURATION },
  );
  const told = data.iosLobAppProvisioningConfiguration.deviceStatusCounts.filter(({ status }) => status !== 'UNKNOWN_FUTURE_VALUE');
  const chart = page.getByRole('figure');
  await chart.waitFor();
  const shown = await chart.locator('li button').evaluateAll((buttons) =>
    buttons.map((button) => ({ status: button.dataset.status, count: Number(button.querySelector('.count').dataset.count) })));
  const byStatus = (a, b) => a.status.localeCompare(b.status);
  assert.deepEqual(shown.toSorted(byStatus), told.toSorted(byStatus));
  const total = told.reduce((sum, { count }) => sum + count, 0);
  await page.getByRole('figure', { name: `${total.toLocaleString('en-US')} device statuses` }).waitFor();

  const widths = await chart.locator('.shares span').evaluateAll((spans) =>
    spans.map((span) => [span.dataset.status, span.getBoundingClientRect().width]));
  const whole = widths.reduce((sum, [, width]) => sum + width, 0);
  for (const { status, count } of told) {
    const [, width] = widths.find(([name]) => name === status);
    assert.ok(Math.abs(width / whole - count / total) < 0.01, `${status} has ${width} of ${whole}, and is ${count} of ${total}`);
  }
  await close();
});

test('the list pages forward and back', async () => {
  const { page, close } = await open(stage);
  const first = await statuses();
  const second = await statuses({ after: first.pageInfo.endCursor });
  const third = await statuses({ after: second.pageInfo.endCursor });
  const next = page.getByRole('button', { name: 'Next page' });
  const previous = page.getByRole('button', { name: 'Previous page' });
  await shows(page, first.names);
  assert.ok(await previous.isDisabled());
  await next.click();
  await shows(page, second.names);
  await next.click();
  await shows(page, third.names);
  await page.getByText(`Page 3 · ${first.totalCount.toLocaleString('en-US')} in total`).waitFor();
  await previous.click();
  await shows(page, second.names);
  await previous.click();
  await shows(page, first.names);
  await close();
});

test('the list is filtered by status, by name, and from the chart', async () => {
  const { page, close } = await open(stage);
  await table(page).waitFor();
  await page.getByRole('button', { name: 'Next page' }).click();
  await page.getByText('Page 2').waitFor();

  const search = page.getByRole('search');
  await search.getByLabel('Status').selectOption('CONFLICT');
  const conflicts = await statuses({ filter: { status: { eq: 'CONFLICT' } } });
  await shows(page, conflicts.names);
  await page.getByText(`Page 1 · ${conflicts.totalCount} in total`).waitFor();
  assert.deepEqual(new Set(await rows(page).locator('.status-name').allInnerTexts()), new Set(['Conflict']));

  const chart = page.getByRole('figure');
  assert.equal(await chart.locator('[aria-pressed="true"]').getAttribute('data-status'), 'CONFLICT');
  await chart.getByRole('button', { name: 'Error' }).click();
  await shows(page, (await statuses({ filter: { status: { eq: 'ERROR' } } })).names);
  assert.equal(await search.getByLabel('Status').inputValue(), 'ERROR');
  await chart.getByRole('button', { name: 'Error' }).click();
  await shows(page, (await statuses()).names);

  await search.getByLabel('Device name contains').fill('0007');
  await search.getByLabel('Device name contains').press('Enter');
  await shows(page, (await statuses({ filter: { deviceDisplayName: { contains: '0007' } } })).names);
  await search.getByLabel('Device name contains').fill('no such device');
  await search.getByRole('button', { name: 'Search' }).click();
  await page.getByText('No statuses match this filter').waitFor();
  assert.equal(await table(page).count(), 0);
  await page.getByRole('button', { name: 'Clear the filter' }).click();
  await shows(page, (await statuses()).names);
  assert.equal(await search.getByLabel('Device name contains').inputValue(), '');
  await close();
});

test('a configuration without statuses shows a message', async () => {
  await stage.graphql(
    `mutation ($input: CreateIosLobAppProvisioningConfigurationInput!) {
      createIosLobAppProvisioningConfiguration(input: $input) { configurationId }
    }`,
    { input: { configuration: { displayName: 'Without statuses', payloadFileName: 'new.mobileprovision', payload: 'AAAA' } } },
  );
  const { page, close } = await open(stage);
  await page.getByRole('button', { name: 'Without statuses' }).click();
  await page.getByText('No device has reported a status for this configuration.').waitFor();
  assert.equal(await page.getByRole('button', { name: 'Clear the filter' }).count(), 0);
  await page.getByRole('figure', { name: '0 device statuses' }).waitFor();
  await close();
});
