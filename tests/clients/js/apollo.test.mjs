import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { ApolloClient, ApolloLink, CombinedGraphQLErrors, HttpLink, InMemoryCache, gql } from "@apollo/client";
import { PersistedQueryLink } from "@apollo/client/link/persisted-queries";
import { RetryLink } from "@apollo/client/link/retry";
import { relayStylePagination } from "@apollo/client/utilities";
import { switchMap, throwError } from "rxjs";
import { add, change, configuration, eachOnce, headers, input, one, page, url } from "./shared.mjs";

/** A client with Relay connections: one list for each filter and order, with all pages that were read. */
function open({ link = new HttpLink({ uri: url, headers }) } = {}) {
  const lists = { deviceStatuses: relayStylePagination(["filter", "orderBy"]) };
  const cache = new InMemoryCache({ typePolicies: { IosLobAppProvisioningConfiguration: { fields: lists } } });
  return new ApolloClient({ link, cache });
}

test("Apollo Client reads back what it added, and a change reaches the cache through the id", async () => {
  const client = open();
  const { data } = await client.mutate({ mutation: gql(add), variables: { input: input("by Apollo") } });
  const id = data.addDeviceStatus.deviceStatusId;
  const ask = { query: gql(one), variables: { id } };
  assert.deepEqual((await client.query(ask)).data.node, data.addDeviceStatus.deviceStatus);
  assert.equal(client.readQuery(ask).node.deviceDisplayName, "by Apollo");

  await client.mutate({ mutation: gql(change), variables: { input: { id, deviceStatus: { status: "ERROR" } } } });
  assert.equal(client.readQuery(ask).node.status, "ERROR", "without another read");
  assert.equal(client.cache.extract()[`DeviceStatus:${id}`].status, "ERROR");
  assert.equal((await client.query({ ...ask, fetchPolicy: "network-only" })).data.node.status, "ERROR");
});

test("A mutation with a key that RetryLink repeats adds one status, and one without a key is not repeated", async () => {
  // The gateway has executed the first request, and its response is lost.
  let sent = 0;
  const losesResponses = new ApolloLink((operation, forward) => {
    sent += 1;
    if (sent > 1) return forward(operation);
    const lost = () => throwError(() => new TypeError("the connection was lost"));
    return forward(operation).pipe(switchMap(lost));
  });
  const mayRepeat = ({ operationType, variables }) => operationType !== "mutation" || Boolean(variables.input?.idempotencyKey);
  const retries = new RetryLink({ delay: { initial: 10 }, attempts: { max: 3, retryIf: (error, operation) => Boolean(error) && mayRepeat(operation) } });
  const client = open({ link: ApolloLink.from([retries, losesResponses, new HttpLink({ uri: url, headers })]) });
  const mutation = gql`mutation ($input: AddDeviceStatusInput!) { addDeviceStatus(input: $input) { deviceStatusId replayed } }`;

  const variables = { input: { ...input("by RetryLink"), idempotencyKey: crypto.randomUUID() } };
  const { data } = await client.mutate({ mutation, variables });
  assert.deepEqual([sent, data.addDeviceStatus.replayed], [2, true]);

  sent = 0;
  await assert.rejects(client.mutate({ mutation, variables: { input: input("by RetryLink, without a key") } }), /connection was lost/);
  assert.equal(sent, 1);
});

test("Apollo Client appends pages to one list, and a mutation adds its edge to it", async () => {
  const client = open();
  const ask = { query: gql(page), variables: { id: configuration } };
  const list = () => client.readQuery(ask).iosLobAppProvisioningConfiguration.deviceStatuses;
  const ids = () => list().edges.map(({ node }) => node.id);
  const query = client.watchQuery(ask);
  const { data } = await query.refetch();
  assert.equal(ids().length, 100);

  const added = await client.mutate({
    mutation: gql(add),
    variables: { input: input("by Apollo, in a list") },
    update(cache, { data: { addDeviceStatus } }) {
      const append = (held) => ({ ...held, edges: [...held.edges, addDeviceStatus.deviceStatusEdge] });
      const id = cache.identify(data.iosLobAppProvisioningConfiguration);
      cache.modify({ id, fields: { deviceStatuses: append } });
    },
  });
  const id = added.data.addDeviceStatus.deviceStatusId;
  assert.equal(ids().at(-1), id);

  for (let pages = 1; list().pageInfo.hasNextPage; pages += 1) {
    assert.ok(pages < 100, "the pages end");
    await query.fetchMore({ variables: { after: list().pageInfo.endCursor } });
  }
  assert.ok(ids().length > 300);
  eachOnce(ids(), id);
});

test("Apollo Client handles an error by its policy, and reads its code", async () => {
  const ask = { query: gql(page), variables: { id: configuration } };
  // A separate client for each policy: `all` writes the null of the failed field to the cache, which returns it afterwards.
  const stranger = () => open({ link: new HttpLink({ uri: url }) });

  const all = await stranger().query({ ...ask, errorPolicy: "all" });
  assert.equal(all.data.iosLobAppProvisioningConfiguration, null);
  assert.equal(all.error.errors[0].extensions.code, "UNAUTHENTICATED");

  await assert.rejects(stranger().query({ ...ask, errorPolicy: "none" }), (error) => {
    assert.ok(CombinedGraphQLErrors.is(error));
    assert.equal(error.errors[0].extensions.code, "UNAUTHENTICATED");
    return true;
  });

  const ignored = await stranger().query({ ...ask, errorPolicy: "ignore" });
  assert.equal(ignored.data.iosLobAppProvisioningConfiguration, null);
  assert.equal(ignored.error, undefined);
});

test("Apollo Client persists queries automatically", async () => {
  const bodies = [];
  const http = new HttpLink({
    uri: url,
    headers,
    fetch: (uri, options) => {
      bodies.push(JSON.parse(options.body));
      return fetch(uri, options);
    },
  });
  const sha256 = async (text) => createHash("sha256").update(text).digest("hex");
  const client = open({ link: new PersistedQueryLink({ sha256 }).concat(http) });
  const ask = { query: gql(page), variables: { id: configuration }, fetchPolicy: "network-only" };
  for (const turn of [1, 2]) {
    const { data } = await client.query(ask);
    assert.equal(data.iosLobAppProvisioningConfiguration.deviceStatuses.edges.length, 100, `turn ${turn}`);
  }
  // The hash only; the hash and the text, because the hash was unknown; the hash only.
  assert.deepEqual(bodies.map((body) => body.query !== undefined), [false, true, false]);
});
