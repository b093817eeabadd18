// The warning of profiles that expire soon.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { open, raise } from './stage.mjs';

const DAY = 24 * 60 * 60 * 1000;

let stage;
before(async () => {
  stage = await raise();
});
after(() => stage.stop());

/** A configuration whose expiry is only in its profile: an unsigned property list. */
async function create(displayName, payload) {
  await stage.graphql(
    `mutation ($input: CreateIosLobAppProvisioningConfigurationInput!) {
      createIosLobAppProvisioningConfiguration(input: $input) { configurationId }
    }`,
    { input: { configuration: { displayName, payloadFileName: 'a.mobileprovision', payload: btoa(payload) } } },
  );
}

function profile(days) {
  const date = new Date(Date.now() + days * DAY).toISOString().replace(/\.\d+/, '');
  return `<plist><dict><key>ExpirationDate</key><date>${date}</date></dict></plist>`;
}

test('a profile that expires within 30 days has a warning, also if only the profile has the date', async () => {
  await create('Expires soon', profile(10.5));
  await create('Has expired', profile(-3));
  await create('Expires later', profile(90));
  await create('Has no profile', 'text');
  const { page, close } = await open(stage);
  const warning = page.locator('.expiry-warning');
  for (const [name, text] of [
    ['Expires soon', 'The profile expires in 10 days. Apps that it signs do not start afterwards.'],
    ['Has expired', 'The profile has expired. Apps that it signs do not start afterwards.'],
    ['Expires later', undefined],
    ['Has no profile', undefined],
  ]) {
    await page.getByRole('button', { name }).click();
    await page.locator('.overview h2').getByText(name, { exact: true }).waitFor();
    if (text) assert.equal(await warning.textContent(), text);
    else assert.equal(await warning.count(), 0, name);
  }
  await close();
});
