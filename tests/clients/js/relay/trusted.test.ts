// Relay with a gateway that accepts only the documents of the file that relay-compiler wrote with `persistConfig`.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { RequestParameters } from "relay-runtime";
import { codeOf, environment } from "./environment";
import mutation from "./__generated__/AddDeviceStatusMutation.graphql";

test("Relay sends only the ids of documents", () => {
  const { id, text } = mutation.params;
  assert.match(String(id), /^[0-9a-f]{64}$/);
  assert.equal(text, null);
});

test("a document that is not in Relay's file is rejected", async () => {
  const network = environment({ authorization: "Bearer demo-token" }).getNetwork();
  for (const other of [
    { id: "0".repeat(64), text: null },
    { id: null, text: "query Other { __typename }" },
  ]) {
    const answer = await network.execute({ ...mutation.params, ...other } as RequestParameters, {}, {}).toPromise();
    assert.equal(codeOf((answer as { errors: unknown[] }).errors[0]), "PERSISTED_QUERY_NOT_FOUND");
  }
});
