import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { afterEach, beforeEach, test } from "node:test";
import { Client, fetchExchange } from "@urql/core";
import { cacheExchange } from "@urql/exchange-graphcache";
import { buildSchema, introspectionFromSchema, isObjectType } from "graphql";
import { add, change, configuration, eachOnce, headers, idsOfAllPages, input, one, page, url } from "./shared.mjs";

const repository = new URL("../../../", import.meta.url);
const schema = buildSchema(readFileSync(new URL("schema.graphql", repository), "utf8"));

/** The types that docs/clients.md lists as embedded. */
const parts = JSON.parse(
  /const parts = (\[[^\]]*\])/.exec(readFileSync(new URL("docs/clients.md", repository), "utf8"))[1].replace(/,\s*\]/, "]"),
);

function open(options = { fetchOptions: { headers } }) {
  const keys = Object.fromEntries(parts.map((type) => [type, () => null]));
  return new Client({
    url,
    preferGetMethod: false,
    ...options,
    // With the schema, graphcache also warns about keys for types that do not exist.
    exchanges: [cacheExchange({ schema: introspectionFromSchema(schema), keys }), fetchExchange],
  });
}

// Graphcache warns about objects that it cannot cache, and continues.
const warnings = [];
const { warn, error } = console;
beforeEach(() => {
  console.warn = console.error = (...words) => warnings.push(words.join(" "));
});
afterEach(() => {
  Object.assign(console, { warn, error });
  assert.deepEqual(warnings.splice(0), []);
});

test("urql with graphcache adds, reads back, pages, and reads the code of an error", async () => {
  const client = open();
  const added = await client.mutation(add, { input: input("by urql") }).toPromise();
  assert.equal(added.error, undefined);
  const { deviceStatusId: id, deviceStatus } = added.data.addDeviceStatus;
  const read = async () => (await client.query(one, { id }).toPromise()).data.node;
  assert.deepEqual(await read(), deviceStatus);
  assert.equal(deviceStatus.deviceDisplayName, "by urql");

  await client.mutation(change, { input: { id, deviceStatus: { status: "ERROR" } } }).toPromise();
  const held = await client.query(one, { id }, { requestPolicy: "cache-only" }).toPromise();
  assert.equal(held.data.node.status, "ERROR", "the cached node was changed by its id");

  eachOnce(await idsOfAllPages(async (variables) => (await client.query(page, variables).toPromise()).data), id);

  const refused = await open({}).query(one, { id }).toPromise();
  assert.equal(refused.error.graphQLErrors[0].extensions.code, "UNAUTHENTICATED");
});

test("the keys in the documentation are those of all types without an id", () => {
  const operations = [schema.getQueryType(), schema.getMutationType(), schema.getSubscriptionType()];
  const keyless = Object.values(schema.getTypeMap()).filter(
    (type) => isObjectType(type) && !operations.includes(type) && !type.name.startsWith("__") && !type.getFields().id,
  );
  assert.deepEqual(parts, keyless.map((type) => type.name).sort());
});

test("graphcache caches an object of each type without a warning", async () => {
  const met = new Set();
  const client = open({
    fetchOptions: { headers },
    fetch: async (...request) => {
      const response = await fetch(...request);
      for (const [, type] of (await response.clone().text()).matchAll(/"__typename":"(\w+)"/g)) {
        met.add(type);
      }
      return response;
    },
  });
  const run = async (text, variables) => {
    const operation = text.startsWith("mutation") ? client.mutation(text, variables) : client.query(text, variables);
    const { data, error } = await operation.toPromise();
    assert.equal(error, undefined);
    return data;
  };

  const payload = "configuration { id }";
  const type = "IosLobAppProvisioningConfiguration";
  const create = `mutation Create($input: Create${type}Input!) { result: create${type}(input: $input) { ${payload} } }`;
  const made = await run(create, { input: { configuration: { displayName: "a", payloadFileName: "a.xml", payload: "YQ==" } } });
  const { id } = made.result.configuration;

  const assign = `mutation Assign($input: Assign${type}Input!) { assign${type}(input: $input) { ${payload} } }`;
  const [group, other] = ["9c7b1ab5-3f0c-4a3e-8a6d-2f1f7d7a0001", "9c7b1ab5-3f0c-4a3e-8a6d-2f1f7d7a0002"];
  const assignments = [
    { target: "GROUP", groupId: group },
    { target: "EXCLUSION_GROUP", groupId: other },
    { target: "ALL_DEVICES" },
    { target: "ALL_LICENSED_USERS" },
    { target: "CONFIGURATION_MANAGER_COLLECTION", collectionId: "SMS00001" },
  ];
  await run(assign, { input: { id, assignments, groupAssignments: [{ targetGroupId: group }] } });
  const update = `mutation Update($input: Update${type}Input!) { update${type}(input: $input) { ${payload} } }`;
  await run(update, { input: { id, configuration: { description: "b" } } });

  const edges = "edges { cursor node { id } } pageInfo { endCursor } totalCount";
  await run(
    `query Lists($id: ID!, $made: ID!) {
      iosLobAppProvisioningConfigurations(first: 2) { ${edges} }
      statuses: iosLobAppProvisioningConfiguration(id: $id) {
        id
        provisioningProfile { name }
        deviceStatusCounts { status count }
        deviceStatuses(first: 2) { ${edges} }
        userStatuses(first: 2) { ${edges} }
      }
      assigned: iosLobAppProvisioningConfiguration(id: $made) {
        id
        groupAssignments { ${edges} }
        assignments { ${edges} nodes { id target { deviceAndAppManagementAssignmentFilterId } } }
      }
    }`,
    { id: configuration, made: id },
  );

  const { deviceStatus } = input("by urql");
  const addMany = `mutation AddMany($input: AddDeviceStatusesInput!) {
    addDeviceStatuses(input: $input) { results { index deviceStatus { id } error { code graph { status } } } }
  }`;
  await run(addMany, { input: { configurationId: "00000000-0000-0000-0000-000000000000", deviceStatuses: [deviceStatus] } });
  const added = await run(add, { input: { configurationId: id, deviceStatus } });
  const status = added.addDeviceStatus.deviceStatusId;
  await run(change, { input: { id: status, deviceStatus: { platform: 9 } } });
  await run(
    "mutation DeleteStatus($input: DeleteDeviceStatusInput!) { deleteDeviceStatus(input: $input) { deletedId } }",
    { input: { id: status } },
  );
  await run(`mutation Delete($input: Delete${type}Input!) { delete${type}(input: $input) { deletedId } }`, { input: { id } });

  // Graph has no target of an unknown kind yet, and no subscription runs here.
  assert.deepEqual(parts.filter((part) => !met.has(part)), ["DeviceStatusAdded", "OtherAssignmentTarget"]);
});
