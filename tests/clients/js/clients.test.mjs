// Each client adds a status, reads it back, pages through the list, meets an error and reads its code.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { ApolloClient, CombinedGraphQLErrors, HttpLink, InMemoryCache, gql } from "@apollo/client";
import { PersistedQueryLink } from "@apollo/client/link/persisted-queries";
import { Client, fetchExchange } from "@urql/core";
import { cacheExchange } from "@urql/exchange-graphcache";
import { ClientError, GraphQLClient } from "graphql-request";

const url = process.env.URL;
const headers = { authorization: "Bearer demo-token" };
const configuration = "e2a23631-3631-e2a2-3136-a2e23136a2e2";
const add = `mutation Add($input: AddDeviceStatusInput!) {
  addDeviceStatus(input: $input) { deviceStatusId deviceStatus { __typename id deviceDisplayName status } }
}`;
const one = `query One($id: ID!) { node(id: $id) { __typename id ... on DeviceStatus { deviceDisplayName status } } }`;
const page = `query Page($id: ID!, $after: String) {
  iosLobAppProvisioningConfiguration(id: $id) {
    id deviceStatuses(first: 2, after: $after) { nodes { id } pageInfo { hasNextPage endCursor } }
  }
}`;
const input = (deviceDisplayName, status = "COMPLIANT") => ({
  configurationId: configuration,
  deviceStatus: {
    deviceDisplayName, userName: "Zoë", deviceModel: "iPad13,8", platform: 8, status,
    complianceGracePeriodExpirationDateTime: "9999-12-31T23:59:59.9999999Z",
    lastReportedDateTime: "2016-12-31T23:57:41.6559639+03:00", userPrincipalName: "zoe@example.com",
  },
});

// Follows the cursors to the end and asserts that the created object is met exactly once.
async function pagesHold(id, ask) {
  const met = [];
  let after = null;
  let pages = 0;
  do {
    const { nodes, pageInfo } = (await ask({ id: configuration, after })).iosLobAppProvisioningConfiguration.deviceStatuses;
    met.push(...nodes.map((node) => node.id));
    after = pageInfo.hasNextPage ? pageInfo.endCursor : null;
    pages += 1;
    assert.ok(pages < 1000, "the pages end");
  } while (after !== null);
  assert.ok(pages > 1, "there is more than one page");
  assert.equal(new Set(met).size, met.length, "no object is on two pages");
  assert.equal(met.filter((other) => other === id).length, 1);
}

test("graphql-request", async () => {
  const client = new GraphQLClient(url, { headers });
  const { addDeviceStatus: added } = await client.request(add, { input: input("by graphql-request") });
  assert.equal(added.deviceStatus.id, added.deviceStatusId);
  const { node } = await client.request(one, { id: added.deviceStatusId });
  assert.deepEqual(node, added.deviceStatus);
  assert.equal(node.deviceDisplayName, "by graphql-request");
  await pagesHold(added.deviceStatusId, (variables) => client.request(page, variables));
  await assert.rejects(new GraphQLClient(url).request(one, { id: added.deviceStatusId }), (error) => {
    assert.ok(error instanceof ClientError);
    assert.equal(error.response.errors[0].extensions.code, "UNAUTHENTICATED");
    return true;
  });
});

test("Apollo Client", async () => {
  const make = (options) => new ApolloClient({ link: new HttpLink({ uri: url, ...options }), cache: new InMemoryCache() });
  const client = make({ headers });
  const { data } = await client.mutate({ mutation: gql(add), variables: { input: input("by Apollo") } });
  const { deviceStatusId: id, deviceStatus } = data.addDeviceStatus;
  assert.equal(deviceStatus.deviceDisplayName, "by Apollo");
  // The global id is the cache key, so an update reaches what was already read without a refetch.
  await client.mutate({
    mutation: gql(`mutation Change($input: UpdateDeviceStatusInput!) {
      updateDeviceStatus(input: $input) { deviceStatus { id status } }
    }`),
    variables: { input: { id, deviceStatus: { status: "ERROR" } } },
  });
  const held = client.cache.extract()[`DeviceStatus:${id}`];
  assert.equal(held.status, "ERROR");
  assert.equal(held.deviceDisplayName, "by Apollo");
  const read = await client.query({ query: gql(one), variables: { id }, fetchPolicy: "network-only" });
  assert.equal(read.data.node.status, "ERROR");
  await pagesHold(id, async (variables) => (await client.query({ query: gql(page), variables })).data);

  const stranger = make({});
  // `all` writes the null of the failed field to the cache: asked again, the cache would answer with it, without the error.
  const ask = { query: gql(one), variables: { id }, fetchPolicy: "network-only" };
  const all = await stranger.query({ ...ask, errorPolicy: "all" });
  assert.equal(all.data.node, null);
  assert.equal(all.error.errors[0].extensions.code, "UNAUTHENTICATED");
  // Another client: the first one's cache holds the null.
  await assert.rejects(make({}).query({ ...ask, errorPolicy: "none" }), (error) => {
    assert.ok(CombinedGraphQLErrors.is(error));
    assert.equal(error.errors[0].extensions.code, "UNAUTHENTICATED");
    return true;
  });
});

test("Apollo Client with automatic persisted queries", async () => {
  const bodies = [];
  const http = new HttpLink({
    uri: url,
    headers,
    fetch: (uri, options) => {
      bodies.push(JSON.parse(options.body));
      return fetch(uri, options);
    },
  });
  const hash = async (text) => createHash("sha256").update(text).digest("hex");
  const link = new PersistedQueryLink({ sha256: hash }).concat(http);
  const client = new ApolloClient({ link, cache: new InMemoryCache() });
  const query = gql(`query Persisted${process.pid}($id: ID!) { iosLobAppProvisioningConfiguration(id: $id) { id displayName } }`);
  for (const turn of [1, 2]) {
    const { data } = await client.query({ query, variables: { id: configuration }, fetchPolicy: "network-only" });
    assert.ok(data.iosLobAppProvisioningConfiguration.displayName, `turn ${turn}`);
  }
  // By its hash alone, then with its text since it was not known, then by its hash alone.
  assert.deepEqual(bodies.map((body) => body.query !== undefined), [false, true, false]);
});

test("urql with graphcache", async () => {
  const make = (options) => new Client({
    url,
    preferGetMethod: false,
    fetchOptions: { headers: options.headers ?? {} },
    // Types without an id are part of what holds them: graphcache is told so.
    exchanges: [
      cacheExchange({
        keys: {
          AddDeviceStatusPayload: () => null,
          DeviceStatusConnection: () => null,
          PageInfo: () => null,
          UpdateDeviceStatusPayload: () => null,
        },
      }),
      fetchExchange,
    ],
  });
  const client = make({ headers });
  const added = await client.mutation(add, { input: input("by urql") }).toPromise();
  assert.equal(added.error, undefined);
  const { deviceStatusId: id, deviceStatus } = added.data.addDeviceStatus;
  assert.equal(deviceStatus.deviceDisplayName, "by urql");
  const read = async () => (await client.query(one, { id }).toPromise()).data.node;
  assert.equal((await read()).status, "COMPLIANT");
  await client.mutation(
    "mutation Change($input: UpdateDeviceStatusInput!) { updateDeviceStatus(input: $input) { deviceStatus { id status } } }",
    { input: { id, deviceStatus: { status: "ERROR" } } },
  ).toPromise();
  assert.equal((await read()).status, "ERROR", "the cached node was changed by its id");
  await pagesHold(id, async (variables) => (await client.query(page, variables).toPromise()).data);
  const refused = await make({}).query(one, { id }).toPromise();
  assert.equal(refused.error.graphQLErrors[0].extensions.code, "UNAUTHENTICATED");
});
