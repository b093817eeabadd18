// A token that ends in the middle of a subscription, because it expires or Graph refuses it: the gateway closes the WebSocket,
// and the client reconnects with a new token. Together, events and reads of the list after each connection show every status.
import assert from "node:assert/strict";
import { test } from "node:test";
import { ApolloClient, InMemoryCache, gql } from "@apollo/client";
import { GraphQLWsLink } from "@apollo/client/link/subscriptions";
import { createClient } from "graphql-ws";
import WebSocket from "ws";
import { add, configuration, headers, idsOfAllPages, input, page, url } from "./shared.mjs";

const added = "subscription Added($id: ID!) { deviceStatusAdded(configurationId: $id) { deviceStatusId } }";
const variables = { id: configuration };

async function post(query, given) {
  const response = await fetch(url, {
    method: "POST",
    headers: { ...headers, "content-type": "application/json" },
    body: JSON.stringify({ query, variables: given }),
  });
  return (await response.json()).data;
}

/** A token that names its expiry, and is not signed: the gateway reads no more of it. */
function token(seconds) {
  const part = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
  return `${part({ alg: "none" })}.${part({ exp: Math.floor(Date.now() / 1000) + seconds })}.x`;
}

/** Opens a socket whose first token expires after this time, and the next ones in an hour. */
function open(life) {
  const lives = [life];
  const log = { connected: 0, closes: [] };
  const socket = createClient({
    url: url.replace(/^http/, "ws"),
    webSocketImpl: WebSocket,
    connectionParams: async () => ({ Authorization: `Bearer ${token(lives.shift() ?? 3600)}` }),
    on: { connected: () => (log.connected += 1), closed: ({ code, reason }) => log.closes.push(`${code} ${reason}`) },
  });
  return { socket, log };
}

/** Makes Graph refuse the next read, which is the check whether the token may still read the configuration. */
async function refuse() {
  const faults = new URL("/_sandbox/faults", process.env.SANDBOX);
  const response = await fetch(faults, { method: "POST", body: JSON.stringify("401;method=GET;times=1") });
  assert.ok(response.ok);
}

/**
 * Adds statuses until events have arrived on both connections, then compares. After three events, `endToken` may end the token.
 * Returns the errors that the client has seen.
 */
async function losesNothing(name, reason, { socket, log }, subscribe, endToken) {
  const errors = [];
  const written = new Set();
  const events = [];
  const listed = new Set();
  let failed, isEnded;
  const end = subscribe(
    async (data) => {
      const connection = log.connected;
      const isFirst = !events.some((event) => event.connection === connection);
      events.push({ connection, id: data.deviceStatusAdded.deviceStatusId });
      // As the documentation says: the list is read again after the first event.
      if (isFirst && connection === 2) (await idsOfAllPages((given) => post(page, given))).forEach((id) => listed.add(id));
    },
    (error) => errors.push(error),
    (error) => (failed = error),
  );
  const of = (connection) => events.filter((event) => event.connection === connection).map(({ id }) => id);
  for (let turn = 0; of(2).length < 3 || listed.size === 0; turn += 1) {
    assert.ok(turn < 300, `events arrive on a second connection: ${JSON.stringify(log)}`);
    assert.equal(failed, undefined);
    if (!isEnded && of(1).length === 3) {
      isEnded = true;
      await endToken?.();
    }
    written.add((await post(add, { input: input(`expiry of ${name}`) })).addDeviceStatus.deviceStatusId);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  end();
  await socket.dispose();

  const [before, after] = [of(1), of(2)];
  assert.ok(before.length >= 3 && after.length >= 3);
  assert.equal(log.closes[0], `4403 ${reason}`);
  assert.equal(new Set(events.map(({ id }) => id)).size, events.length, "each event arrives once");
  const known = new Set([...events.map(({ id }) => id), ...listed]);
  const between = [...written].filter((id) => !events.some((event) => event.id === id) && known.has(id));
  // The last statuses may have no event yet.
  const last = [...written].indexOf(after.at(-1));
  const missing = [...written].slice(0, last + 1).filter((id) => !known.has(id));
  console.log(
    `${name}: ${written.size} statuses added, ${before.length} events before and ${after.length} after the token's end,`,
    `${between.length} only in the list that was read again, ${missing.length} missing; closed with "${log.closes[0]}"`,
  );
  assert.deepEqual(missing, []);
  return errors;
}

const clients = {
  "graphql-ws": (socket) => (next, error, failed) =>
    socket.subscribe({ query: added, variables }, {
      next: ({ data, errors }) => (errors ? error(errors[0].extensions.code) : next(data)),
      error: failed,
      complete() {},
    }),
  "Apollo Client": (socket) => (next, error, failed) => {
    const client = new ApolloClient({ link: new GraphQLWsLink(socket), cache: new InMemoryCache() });
    const listening = client.subscribe({ query: gql(added), variables }).subscribe({
      next: (result) => (result.error ? error(result.error.errors[0].extensions.code) : next(result.data)),
      error: failed,
    });
    return () => listening.unsubscribe();
  },
};

for (const [name, subscribe] of Object.entries(clients)) {
  test(`${name} reconnects when its token has expired`, { timeout: 60_000 }, async () => {
    const opened = open(3);
    const errors = await losesNothing(name, "The token has expired", opened, subscribe(opened.socket));
    assert.deepEqual(errors, []);
  });

  test(`${name} reconnects when Graph refuses its token`, { timeout: 60_000 }, async () => {
    const opened = open(3600);
    const errors = await losesNothing(name, "Microsoft Graph refused the token", opened, subscribe(opened.socket), refuse);
    assert.deepEqual(errors, ["UNAUTHENTICATED"]);
  });
}
