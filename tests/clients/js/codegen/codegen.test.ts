// graphql-request with typed documents. No type of a result is written by hand.
import assert from "node:assert/strict";
import { test } from "node:test";
import { ClientError, GraphQLClient } from "graphql-request";
import { getFragmentData } from "./generated";
import { configuration, variables } from "./input";
import { Add, One, Page, StatusFields } from "./operations";

const url = process.env["URL"]!;

test("typed documents add, read back, page, and read the code of an error", async () => {
  const client = new GraphQLClient(url, { headers: { authorization: "Bearer demo-token" } });
  const { addDeviceStatus: added } = await client.request(Add, variables);
  const status = getFragmentData(StatusFields, added?.deviceStatus);
  assert.equal(status?.id, added?.deviceStatusId);
  assert.equal(status?.lastReportedDateTime, variables.input.deviceStatus.lastReportedDateTime);

  const { node } = await client.request(One, { id: added!.deviceStatusId });
  assert.equal(node?.__typename, "DeviceStatus");
  assert.deepEqual(getFragmentData(StatusFields, node), status);

  const ids: string[] = [];
  let after: string | null | undefined;
  do {
    const page = (await client.request(Page, { id: configuration, after })).iosLobAppProvisioningConfiguration?.deviceStatuses;
    ids.push(...page!.nodes.map(({ id }) => id));
    assert.ok(ids.length < 10_000, "the pages end");
    after = page!.pageInfo.hasNextPage ? page!.pageInfo.endCursor : null;
  } while (after);
  assert.ok(ids.length > 300);
  assert.equal(new Set(ids).size, ids.length, "no object is met twice");
  assert.ok(ids.includes(added!.deviceStatusId));

  await assert.rejects(new GraphQLClient(url).request(One, { id: added!.deviceStatusId }), (error) => {
    assert.ok(error instanceof ClientError);
    assert.equal(error.response.errors?.[0]?.extensions["code"], "UNAUTHENTICATED");
    return true;
  });
});
