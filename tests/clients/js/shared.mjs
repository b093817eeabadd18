// Shared by the tests of the clients: the gateway's address, a device status to add, and the operations.
import assert from "node:assert/strict";

export const url = process.env.URL;
export const headers = { authorization: "Bearer demo-token" };
/** The sandbox's first configuration, which has nine of ten of its statuses. */
export const configuration = "e2a23631-3631-e2a2-3136-a2e23136a2e2";

export const input = (deviceDisplayName) => ({
  configurationId: configuration,
  deviceStatus: {
    deviceDisplayName,
    userName: "Zoë",
    deviceModel: "iPad13,8",
    platform: 8,
    status: "COMPLIANT",
    complianceGracePeriodExpirationDateTime: "9999-12-31T23:59:59.9999999Z",
    lastReportedDateTime: "2016-12-31T23:57:41.6559639+03:00",
    userPrincipalName: "zoe@example.com",
  },
});

export const add = `mutation Add($input: AddDeviceStatusInput!) {
  addDeviceStatus(input: $input) {
    deviceStatusId
    deviceStatus { __typename id deviceDisplayName status }
    deviceStatusEdge { cursor node { id } }
  }
}`;
export const change = `mutation Change($input: UpdateDeviceStatusInput!) {
  updateDeviceStatus(input: $input) { deviceStatus { id status } }
}`;
export const one = `query One($id: ID!) {
  node(id: $id) { __typename id ... on DeviceStatus { deviceDisplayName status } }
}`;
export const page = `query Page($id: ID!, $after: String) {
  iosLobAppProvisioningConfiguration(id: $id) {
    id
    deviceStatuses(first: 100, after: $after) { edges { cursor node { id } } pageInfo { hasNextPage endCursor } }
  }
}`;

/** Follows the cursors of `page` to the end, and returns the ids of all objects. */
export async function idsOfAllPages(ask) {
  const ids = [];
  let after = null;
  let pages = 0;
  do {
    const { edges, pageInfo } = (await ask({ id: configuration, after })).iosLobAppProvisioningConfiguration.deviceStatuses;
    ids.push(...edges.map(({ node }) => node.id));
    after = pageInfo.hasNextPage ? pageInfo.endCursor : null;
    pages += 1;
    assert.ok(pages < 100, "the pages end");
  } while (after !== null);
  assert.ok(pages > 1, "there is more than one page");
  return ids;
}

/** Asserts that every object was listed once, the created one included. */
export function eachOnce(ids, created) {
  assert.equal(new Set(ids).size, ids.length, "no object is met twice");
  assert.ok(ids.includes(created));
}
