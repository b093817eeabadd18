import assert from "node:assert/strict";
import { test } from "node:test";
import { ApolloClient, InMemoryCache, gql } from "@apollo/client";
import { GraphQLWsLink } from "@apollo/client/link/subscriptions";
import { Client, fetchExchange } from "@urql/core";
import { createClient as createSseClient } from "graphql-sse";
import { createClient as createWsClient } from "graphql-ws";
import WebSocket from "ws";
import { add, configuration, headers, input, one, url } from "./shared.mjs";

const added = `subscription Added($id: ID!) {
  deviceStatusAdded(configurationId: $id) { deviceStatusId deviceStatus { id deviceDisplayName } }
}`;
const variables = { id: configuration };

const overWebSocket = (connectionParams = { Authorization: headers.authorization }) =>
  createWsClient({ url: url.replace(/^http/, "ws"), webSocketImpl: WebSocket, connectionParams, retryAttempts: 0 });
const overEvents = (given = headers) => createSseClient({ url, headers: given, retryAttempts: 0 });

/** Adds a status as another client. */
async function somebodyAdds(deviceDisplayName) {
  const response = await fetch(url, {
    method: "POST",
    headers: { ...headers, "content-type": "application/json" },
    body: JSON.stringify({ query: add, variables: { input: input(deviceDisplayName) } }),
  });
  return (await response.json()).data.addDeviceStatus.deviceStatusId;
}

/**
 * Subscribes with `subscribe(next, error)`, which returns a function that ends the subscription, and adds statuses until
 * three events have arrived. The start of a subscription is not confirmed, so the first events may be missed.
 */
async function hears(name, subscribe) {
  const told = [];
  let failed;
  const end = subscribe((data) => told.push(data.deviceStatusAdded), (error) => (failed = error));
  const ids = new Set();
  for (let turn = 0; told.length < 3; turn += 1) {
    assert.ok(turn < 200, "an event arrives for an added status");
    assert.equal(failed, undefined);
    ids.add(await somebodyAdds(`told to ${name}`));
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  end();
  for (const { deviceStatusId, deviceStatus } of told) {
    assert.ok(ids.has(deviceStatusId));
    assert.deepEqual({ id: deviceStatus.id, name: deviceStatus.deviceDisplayName }, { id: deviceStatusId, name: `told to ${name}` });
  }
  assert.equal(new Set(told.map(({ deviceStatusId }) => deviceStatusId)).size, told.length, "each event arrives once");
}

/** Returns the only response to an operation. */
const answer = (client, query, given) =>
  new Promise((resolve, reject) => {
    let result;
    client.subscribe({ query, variables: given }, { next: (value) => (result = value), error: reject, complete: () => resolve(result) });
  });

for (const [name, open] of [["graphql-ws", overWebSocket], ["graphql-sse", overEvents]]) {
  test(`${name} receives events, adds, reads back, and reads the code of an error`, async () => {
    const client = open();
    await hears(name, (next, error) =>
      client.subscribe({ query: added, variables }, { next: ({ data }) => next(data), error, complete() {} }),
    );

    const { data } = await answer(client, add, { input: input(`by ${name}`) });
    const { deviceStatusId: id, deviceStatus } = data.addDeviceStatus;
    assert.deepEqual((await answer(client, one, { id })).data.node, deviceStatus);

    const stranger = open({});
    const refused = await answer(stranger, added, variables);
    assert.equal(refused.errors[0].extensions.code, "UNAUTHENTICATED");
    const wrong = await answer(client, "{ nothing }").catch((errors) => ({ errors }));
    assert.equal(wrong.errors[0].extensions.code, "GRAPHQL_VALIDATION_FAILED");
    await client.dispose();
    await stranger.dispose();
  });
}

test("Apollo Client receives events over a WebSocket", async () => {
  const socket = overWebSocket();
  const client = new ApolloClient({ link: new GraphQLWsLink(socket), cache: new InMemoryCache() });
  await hears("Apollo", (next, error) => {
    const listening = client.subscribe({ query: gql(added), variables }).subscribe({
      next: (result) => (result.error ? error(result.error) : next(result.data)),
      error,
    });
    return () => listening.unsubscribe();
  });
  await socket.dispose();
});

test("urql receives Server-Sent Events", async () => {
  const client = new Client({ url, fetchOptions: { headers }, fetchSubscriptions: true, exchanges: [fetchExchange], preferGetMethod: false });
  await hears("urql", (next, error) => {
    const listening = client.subscription(added, variables).subscribe((result) => (result.error ? error(result.error) : next(result.data)));
    return () => listening.unsubscribe();
  });
});
