// Sign-in with MSAL. The tests intercept requests to Microsoft Entra ID, and fulfil them. They show what the page sends
// and how it uses a response, but not that Microsoft would respond in this way.

import assert from 'node:assert/strict';
import path from 'node:path';
import { after, before, beforeEach, test } from 'node:test';

import { build } from 'vite';

import { add, artefacts, fillForm, folder, form, notice, open, raise, table } from './stage.mjs';

const CLIENT = '6f0c2d4e-3d5a-4a53-9a0c-2b7f0a1c9d11';
const TENANT = '72f988bf-86f1-41af-91ab-2d7cd011db47';
const USER = '0b5c5d0e-59a5-4f0a-9c55-7a0a3f2f6f0d';
const ENTRA = 'login.microsoftonline.com';
const GRAPH_SCOPE = 'https://graph.microsoft.com/DeviceManagementApps.ReadWrite.All';

let stage;
before(async () => {
  process.env.VITE_ENTRA_CLIENT_ID = CLIENT;
  process.env.VITE_ENTRA_AUTHORITY = `https://${ENTRA}/${TENANT}`;
  await build({ root: folder, logLevel: 'error', build: { outDir: 'dist-sign-in' } });
  stage = await raise({ site: 'dist-sign-in' });
});
after(() => stage.stop());
beforeEach(() => stage.begin());

const encode = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');

/** Responds as Microsoft Entra ID does, with these access tokens in turn, and records the requests. */
async function entra(page, accessTokens) {
  const authorized = [];
  const redeemed = [];
  let nonce;
  await page.context().route(`https://${ENTRA}/**`, async (route) => {
    const request = route.request();
    const url = new URL(request.url());
    if (url.pathname.endsWith('/authorize')) {
      const asked = request.method() === 'POST' ? new URLSearchParams(request.postData()) : url.searchParams;
      authorized.push({ ...Object.fromEntries(asked), path: url.pathname });
      nonce = asked.get('nonce');
      const answer = new URLSearchParams({ code: 'a-code', state: asked.get('state'), client_info: encode({ uid: USER, utid: TENANT }) });
      const to = JSON.stringify(`${asked.get('redirect_uri')}#${answer}`);
      return route.fulfill({ contentType: 'text/html', body: `<script>location.replace(${to})</script>` });
    }
    if (url.pathname.endsWith('/token')) {
      redeemed.push(Object.fromEntries(new URLSearchParams(request.postData())));
      const now = Math.floor(Date.now() / 1000);
      const identity = {
        ver: '2.0', iss: `https://${ENTRA}/${TENANT}/v2.0`, aud: CLIENT, sub: USER, oid: USER, tid: TENANT, nonce,
        iat: now, exp: now + 3600, preferred_username: 'adelev@contoso.example', name: 'Adele Vance',
      };
      return route.fulfill({
        headers: { 'access-control-allow-origin': '*' },
        json: {
          token_type: 'Bearer', scope: `${GRAPH_SCOPE} openid profile`, expires_in: 3600, ext_expires_in: 3600,
          access_token: accessTokens.shift(), refresh_token: 'a-refresh-token',
          id_token: `${encode({ alg: 'none', typ: 'JWT' })}.${encode(identity)}.`,
          client_info: encode({ uid: USER, utid: TENANT }),
        },
      });
    }
    return route.abort();
  });
  return { authorized, redeemed };
}

const signIn = (page) => page.getByRole('button', { name: 'Sign in', exact: true });

test('the button opens the authorize page, and each request has the returned token', async () => {
  const { page, close } = await open(stage);
  const { authorized, redeemed } = await entra(page, ['alpha-token']);
  const tokens = [];
  page.on('request', (request) => {
    if (request.url().endsWith('/graphql')) tokens.push(request.headers().authorization);
  });
  await signIn(page).waitFor();
  await page.screenshot({ path: path.join(artefacts, 'signed-out.png') });
  await signIn(page).click();
  await table(page).waitFor();

  assert.equal(authorized.length, 1);
  const [asked] = authorized;
  assert.equal(asked.path, `/${TENANT}/oauth2/v2.0/authorize`);
  assert.equal(asked.client_id, CLIENT);
  assert.deepEqual(asked.scope.split(' ').toSorted(), [GRAPH_SCOPE, 'offline_access', 'openid', 'profile'].toSorted());
  assert.equal(asked.response_type, 'code');
  assert.equal(asked.code_challenge_method, 'S256');
  assert.equal(asked.prompt, 'select_account');
  assert.equal(asked.redirect_uri, `${stage.url}signed-in.html`);
  // Declares support for claims challenges.
  assert.deepEqual(JSON.parse(asked.claims).access_token, { xms_cc: { values: ['CP1'] } });
  assert.equal(redeemed[0].code, 'a-code');
  assert.ok(redeemed[0].code_verifier);

  await page.getByText('adelev@contoso.example').first().waitFor();
  assert.deepEqual(new Set(tokens), new Set(['Bearer alpha-token']));
  const stored = await page.evaluate(() => JSON.stringify([{ ...localStorage }, { ...sessionStorage }, document.cookie]));
  assert.ok(!/alpha-token|a-refresh-token|adelev/.test(stored), stored);

  await page.getByRole('button', { name: 'Sign out' }).click();
  await signIn(page).waitFor();
  await close({ alsoAsked: [ENTRA] });
});

test('a claims challenge is passed on to the sign-in, and the form is sent again with the new token', async () => {
  const { page, close } = await open(stage);
  const { authorized } = await entra(page, ['alpha-token', 'beta-token']);
  await signIn(page).click();
  await table(page).waitFor();
  await stage.faults('claims-challenge;method=POST;path=deviceStatuses;times=1');
  await fillForm(page, 'challenged-ipad');
  await add(page);
  await notice(page).getByRole('heading', { name: 'Sign in again' }).waitFor();

  const again = page.waitForRequest((request) =>
    request.url().endsWith('/graphql') && request.postDataJSON().operationName === 'AddStatusMutation');
  await notice(page).getByRole('button', { name: 'Sign in again' }).click();
  assert.equal((await again).headers().authorization, 'Bearer beta-token');
  await form(page).getByText('challenged-ipad was added.').waitFor();
  assert.equal(await stage.countOf('challenged-ipad'), 1);

  // The claims of the sandbox's challenge, as MSAL sends them.
  const claims = JSON.parse(authorized[1].claims);
  assert.deepEqual(claims.access_token.xms_cc, { values: ['CP1'] });
  assert.equal(claims.access_token.nbf.essential, true);
  assert.match(claims.access_token.nbf.value, /^\d+$/);
  assert.equal(authorized[1].login_hint ?? authorized[1].sid, 'adelev@contoso.example');
  await close({ alsoAsked: [ENTRA] });
});

test('a token that is revoked from the start causes the challenge too', async () => {
  const { page, close } = await open(stage);
  await entra(page, ['revoked-token', 'alpha-token']);
  await signIn(page).click();
  await notice(page).getByRole('button', { name: 'Sign in again' }).click();
  await table(page).waitFor();
  await close({ alsoAsked: [ENTRA] });
});

test('a sign-in window that was closed can be opened again', async () => {
  const { page, close } = await open(stage);
  const { authorized } = await entra(page, ['alpha-token']);
  await page.context().route(`https://${ENTRA}/**`, (route) =>
    route.fulfill({ contentType: 'text/html', body: 'Pick an account' }), { times: 1 });
  const [popup] = await Promise.all([page.waitForEvent('popup'), signIn(page).click()]);
  await popup.getByText('Pick an account').waitFor();
  await page.getByText('Continue in the sign-in window.').waitFor();
  await popup.close();
  await signIn(page).click();
  await table(page).waitFor();
  assert.equal(authorized.length, 1);
  assert.equal(await page.getByRole('alert').count(), 0);
  await close({ alsoAsked: [ENTRA] });
});

test('live updates that reconnect send the token of the last sign-in', async () => {
  const tokens = [];
  const { page, close } = await open(stage, {
    prepare: (page) => page.on('websocket', (socket) => socket.on('framesent', ({ payload }) => {
      const { type, payload: init } = JSON.parse(payload);
      if (type === 'connection_init') tokens.push(init.Authorization);
    })),
  });
  await entra(page, ['alpha-token', 'beta-token']);
  await signIn(page).click();
  await table(page).waitFor();
  await stage.faults('claims-challenge;method=GET;path=deviceStatuses?;times=1');
  await page.getByRole('button', { name: 'Reload' }).click();
  await notice(page).getByRole('button', { name: 'Sign in again' }).click();
  await table(page).waitFor();
  await stage.stopGateway();
  await stage.startGateway();
  for (let waited = 0; tokens.length < 2; waited += 100) {
    assert.ok(waited < 30_000, 'it does not connect again');
    await page.waitForTimeout(100);
  }
  await page.waitForTimeout(1_000);
  await stage.addElsewhere('signed-in-live');
  await page.getByText('1 new status', { exact: true }).waitFor();
  assert.equal(tokens[0], 'Bearer alpha-token');
  assert.equal(tokens.at(-1), 'Bearer beta-token');
  await close({ alsoAsked: [ENTRA], complaint: /WebSocket/ });
});
