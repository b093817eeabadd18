import assert from "node:assert/strict";
import { test } from "node:test";
import { ClientError, GraphQLClient } from "graphql-request";
import { add, eachOnce, headers, idsOfAllPages, input, one, page, url } from "./shared.mjs";

test("graphql-request adds, reads back, pages, and reads the code of an error", async () => {
  const client = new GraphQLClient(url, { headers });
  const { addDeviceStatus: added } = await client.request(add, { input: input("by graphql-request") });
  assert.equal(added.deviceStatus.id, added.deviceStatusId);

  const { node } = await client.request(one, { id: added.deviceStatusId });
  assert.deepEqual(node, added.deviceStatus);
  assert.equal(node.deviceDisplayName, "by graphql-request");

  eachOnce(await idsOfAllPages((variables) => client.request(page, variables)), added.deviceStatusId);

  await assert.rejects(new GraphQLClient(url).request(one, { id: added.deviceStatusId }), (error) => {
    assert.ok(error instanceof ClientError);
    assert.equal(error.response.errors[0].extensions.code, "UNAUTHENTICATED");
    return true;
  });
});
