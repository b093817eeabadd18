// Apollo Client with a gateway that accepts only the documents of a manifest, which Apollo's tool wrote from this file.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { ApolloClient, CombinedGraphQLErrors, HttpLink, InMemoryCache, gql } from "@apollo/client";
import { PersistedQueryLink } from "@apollo/client/link/persisted-queries";
import { generatePersistedQueryIdsFromManifest } from "@apollo/persisted-query-lists";
import { headers, input, url } from "./shared.mjs";

const ADD = gql`
  mutation Add($input: AddDeviceStatusInput!) {
    addDeviceStatus(input: $input) {
      deviceStatusId
      deviceStatus {
        id
        deviceDisplayName
      }
    }
  }
`;
const ONE = gql`
  query One($id: ID!) {
    node(id: $id) {
      id
      ... on DeviceStatus {
        deviceDisplayName
      }
    }
  }
`;

const bodies = [];
const http = new HttpLink({
  uri: url,
  headers,
  fetch: (uri, options) => {
    bodies.push(JSON.parse(options.body));
    return fetch(uri, options);
  },
});

test("Apollo Client sends only the ids of its manifest", async () => {
  const manifest = JSON.parse(readFileSync(new URL("generated/apollo.json", import.meta.url), "utf8"));
  const ids = generatePersistedQueryIdsFromManifest({ loadManifest: async () => manifest });
  const client = new ApolloClient({ link: new PersistedQueryLink(ids).concat(http), cache: new InMemoryCache() });
  const { data } = await client.mutate({ mutation: ADD, variables: { input: input("by Apollo, trusted") } });
  const { deviceStatusId: id, deviceStatus } = data.addDeviceStatus;
  const read = await client.query({ query: ONE, variables: { id } });
  assert.deepEqual(read.data.node, deviceStatus);
  assert.equal(deviceStatus.deviceDisplayName, "by Apollo, trusted");

  assert.deepEqual(bodies.map((body) => body.query), [undefined, undefined]);
  const known = manifest.operations.map((operation) => operation.id);
  assert.deepEqual(bodies.map((body) => known.includes(body.extensions.persistedQuery.sha256Hash)), [true, true]);
});

test("a document that is not in Apollo's manifest is rejected", async () => {
  const client = new ApolloClient({ link: http, cache: new InMemoryCache() });
  // A call of `gql` and not a tagged template, so that the tool does not find the document.
  await assert.rejects(client.query({ query: gql("query Other { nodes(ids: []) { id } }") }), (error) => {
    assert.ok(CombinedGraphQLErrors.is(error));
    assert.equal(error.errors[0].extensions.code, "PERSISTED_QUERY_NOT_FOUND");
    return true;
  });
});
