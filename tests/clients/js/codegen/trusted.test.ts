// urql with a gateway that accepts only the documents of the manifest that graphql-codegen wrote.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Client, type Exchange, type TypedDocumentNode, fetchExchange } from "@urql/core";
import { cacheExchange } from "@urql/exchange-graphcache";
import { persistedExchange } from "@urql/exchange-persisted";
import { parse } from "graphql";
import { getFragmentData } from "./generated";
import { variables } from "./input";
import { Add, One, StatusFields } from "./operations";

const bodies: string[] = [];

function open(exchanges: Exchange[]): Client {
  return new Client({
    url: process.env["URL"]!,
    preferGetMethod: false,
    fetchOptions: { headers: { authorization: "Bearer demo-token" } },
    fetch: (url, options) => {
      bodies.push(String(options?.body));
      return fetch(url, options);
    },
    exchanges,
  });
}

const persisted = persistedExchange({
  preferGetForPersistedQueries: false,
  enforcePersistedQueries: true,
  enableForMutation: true,
  generateHash: async (_, document) => (document as { __meta__?: { hash: string } }).__meta__!.hash,
});

test("trusted documents execute by their hashes only", async () => {
  const cache = cacheExchange({ keys: { AddDeviceStatusPayload: () => null } });
  const client = open([cache, persisted, fetchExchange]);
  const added = await client.mutation(Add, variables).toPromise();
  assert.equal(added.error, undefined);
  const status = getFragmentData(StatusFields, added.data?.addDeviceStatus?.deviceStatus);
  assert.equal(status?.deviceDisplayName, "by graphql-codegen");
  const read = await client.query(One, { id: status.id }).toPromise();
  const node = read.data?.node;
  assert.equal(node?.__typename, "DeviceStatus");
  assert.equal(getFragmentData(StatusFields, node).lastReportedDateTime, status.lastReportedDateTime);
  assert.equal(bodies.length, 2);
  for (const body of bodies) {
    const { query, extensions } = JSON.parse(body);
    assert.equal(query, undefined);
    assert.match(extensions.persistedQuery.sha256Hash, /^sha256:[0-9a-f]{64}$/);
  }
});

test("a document that is not in the manifest is rejected", async () => {
  const other = parse("query Other { __typename }") as TypedDocumentNode<unknown, Record<string, never>>;
  const { error } = await open([fetchExchange]).query(other, {}).toPromise();
  assert.equal(error?.graphQLErrors[0]?.extensions["code"], "PERSISTED_QUERY_NOT_FOUND");
});
