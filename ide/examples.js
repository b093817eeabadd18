// One working example for each query, mutation and subscription, used by both pages. `name` is that of the field; another
// example of a field names it in `field`.
//
// `variables` receives the known ids: `configuration` (an id in Graph), `node`, `status` and `spare` (global ids). A
// missing id is replaced by a text that names it. Without ids, the only mutation that can succeed creates a
// configuration, which has no assignments.

const NO_CONFIGURATION = 'put the id of a configuration here';
const NO_NODE = 'put a global id here (the `id` of any object)';
const NO_STATUS = 'put the global id of a device status here';

/** A random UUID (version 4). `crypto.randomUUID` is missing on pages that are served over plain HTTP. */
function uuid() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('');
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-');
}

const newStatus = (deviceDisplayName) => ({
  deviceDisplayName,
  userName: 'Adele Vance',
  deviceModel: 'iPad Pro (11-inch)',
  platform: 5,
  complianceGracePeriodExpirationDateTime: '2027-01-31T23:59:59.9999999Z',
  status: 'COMPLIANT',
  lastReportedDateTime: '2026-11-23T09:30:00+01:00',
  userPrincipalName: 'adelev@contoso.example',
});

export const EXAMPLES = [
  {
    name: 'addDeviceStatus',
    type: 'Mutation',
    operation: `mutation AddDeviceStatus($input: AddDeviceStatusInput!) {
  addDeviceStatus(input: $input) {
    deviceStatusId
    deviceStatus {
      id
      graphId
      deviceDisplayName
      userPrincipalName
      platform
      status
      lastReportedDateTime
    }
    replayed
  }
}
`,
    variables: (ids) => ({
      input: {
        configurationId: ids.configuration ?? NO_CONFIGURATION,
        deviceStatus: newStatus('iPad-0042'),
        idempotencyKey: uuid(),
      },
    }),
  },
  {
    name: 'iosLobAppProvisioningConfigurations',
    type: 'Query',
    operation: `query Configurations($first: Int) {
  iosLobAppProvisioningConfigurations(first: $first) {
    totalCount
    nodes {
      id
      graphId
      displayName
      deviceStatusCounts {
        status
        count
      }
    }
    pageInfo {
      hasNextPage
      endCursor
    }
  }
}
`,
    variables: () => ({ first: 3 }),
  },
  {
    name: 'Profiles that expire in 30 days',
    field: 'iosLobAppProvisioningConfigurations',
    type: 'Query',
    operation: `query ExpiringProfiles($before: DateTimeOffset!) {
  iosLobAppProvisioningConfigurations(first: 100, filter: { expiresBefore: $before }) {
    nodes {
      id
      displayName
      expirationDateTime
      provisioningProfile {
        name
        applicationIdentifier
        teamName
        expirationDate
      }
    }
    pageInfo {
      hasNextPage
      endCursor
    }
  }
}
`,
    variables: () => ({ before: new Date(Date.now() + 30 * 24 * 60 * 60 * 1000).toISOString() }),
  },
  {
    name: 'iosLobAppProvisioningConfiguration',
    type: 'Query',
    operation: `query Configuration($id: ID!, $filter: DeviceStatusFilter) {
  iosLobAppProvisioningConfiguration(id: $id) {
    id
    displayName
    version
    expirationDateTime
    deviceStatuses(
      first: 5
      filter: $filter
      orderBy: { field: LAST_REPORTED_DATE_TIME, direction: DESC }
    ) {
      totalCount
      nodes {
        id
        deviceDisplayName
        status
        lastReportedDateTime
      }
    }
  }
}
`,
    variables: (ids) => ({
      id: ids.configuration ?? NO_CONFIGURATION,
      filter: { status: { in: ['COMPLIANT', 'NON_COMPLIANT', 'ERROR'] } },
    }),
  },
  {
    name: 'node',
    type: 'Query',
    operation: `query Node($id: ID!) {
  node(id: $id) {
    __typename
    id
    ... on DeviceStatus {
      deviceDisplayName
      status
    }
    ... on IosLobAppProvisioningConfiguration {
      displayName
      version
    }
  }
}
`,
    variables: (ids) => ({ id: ids.node ?? NO_NODE }),
  },
  {
    name: 'nodes',
    type: 'Query',
    operation: `query Nodes($ids: [ID!]!) {
  nodes(ids: $ids) {
    __typename
    id
  }
}
`,
    variables: (ids) => ({ ids: [ids.node ?? NO_NODE, ids.status ?? NO_STATUS] }),
  },
  {
    name: 'addDeviceStatuses',
    type: 'Mutation',
    operation: `mutation AddDeviceStatuses($input: AddDeviceStatusesInput!) {
  addDeviceStatuses(input: $input) {
    createdCount
    failedCount
    results {
      index
      deviceStatusId
      error {
        code
        outcome
        message
        approvalCode
      }
    }
  }
}
`,
    variables: (ids) => ({
      input: {
        configurationId: ids.configuration ?? NO_CONFIGURATION,
        deviceStatuses: [newStatus('iPad-0043'), newStatus('iPad-0044')],
        idempotencyKey: uuid(),
      },
    }),
  },
  {
    name: 'updateDeviceStatus',
    type: 'Mutation',
    operation: `mutation UpdateDeviceStatus($input: UpdateDeviceStatusInput!) {
  updateDeviceStatus(input: $input) {
    deviceStatus {
      id
      status
      lastReportedDateTime
    }
  }
}
`,
    variables: (ids) => ({ input: { id: ids.status ?? NO_STATUS, deviceStatus: { status: 'NON_COMPLIANT' } } }),
  },
  {
    name: 'deleteDeviceStatus',
    type: 'Mutation',
    operation: `mutation DeleteDeviceStatus($input: DeleteDeviceStatusInput!) {
  deleteDeviceStatus(input: $input) {
    deletedId
  }
}
`,
    variables: (ids) => ({ input: { id: ids.spareStatus ?? NO_STATUS } }),
  },
  {
    name: 'createIosLobAppProvisioningConfiguration',
    type: 'Mutation',
    operation: `mutation CreateConfiguration($input: CreateIosLobAppProvisioningConfigurationInput!) {
  createIosLobAppProvisioningConfiguration(input: $input) {
    configurationId
    configuration {
      graphId
      displayName
      version
    }
  }
}
`,
    variables: () => ({
      input: {
        configuration: {
          displayName: 'Warehouse scanner',
          payloadFileName: 'scanner.mobileprovision',
          // A property list without a signature: `Scanner`, which expires at the end of 2027.
          payload:
            'PHBsaXN0PjxkaWN0PjxrZXk+TmFtZTwva2V5PjxzdHJpbmc+U2Nhbm5lcjwvc3RyaW5nPjxrZXk+VVVJRDwva2V5Pj' +
            'xzdHJpbmc+NWQwZTNhOWUtNmYwYi00YzU1LThmNTctMmY2ZjRkMWI3YTEwPC9zdHJpbmc+PGtleT5FeHBpcmF0aW9u' +
            'RGF0ZTwva2V5PjxkYXRlPjIwMjctMTItMzFUMDA6MDA6MDBaPC9kYXRlPjwvZGljdD48L3BsaXN0Pg==',
          description: 'Made in GraphiQL',
          expirationDateTime: '2027-11-01T00:00:00Z',
        },
        idempotencyKey: uuid(),
      },
    }),
  },
  {
    name: 'updateIosLobAppProvisioningConfiguration',
    type: 'Mutation',
    operation: `mutation UpdateConfiguration($input: UpdateIosLobAppProvisioningConfigurationInput!) {
  updateIosLobAppProvisioningConfiguration(input: $input) {
    configuration {
      id
      description
      version
    }
  }
}
`,
    variables: (ids) => ({
      input: { id: ids.configuration ?? NO_CONFIGURATION, configuration: { description: 'Changed in GraphiQL' } },
    }),
  },
  {
    name: 'assignIosLobAppProvisioningConfiguration',
    type: 'Mutation',
    operation: `mutation AssignConfiguration($input: AssignIosLobAppProvisioningConfigurationInput!) {
  assignIosLobAppProvisioningConfiguration(input: $input) {
    configuration {
      id
      assignments {
        nodes {
          target {
            __typename
          }
        }
      }
    }
  }
}
`,
    variables: (ids) => ({
      input: { id: ids.configuration ?? NO_CONFIGURATION, assignments: [{ target: 'ALL_DEVICES' }] },
    }),
  },
  {
    name: 'deleteIosLobAppProvisioningConfiguration',
    type: 'Mutation',
    operation: `mutation DeleteConfiguration($input: DeleteIosLobAppProvisioningConfigurationInput!) {
  deleteIosLobAppProvisioningConfiguration(input: $input) {
    deletedId
  }
}
`,
    variables: (ids) => ({ input: { id: ids.spare ?? NO_CONFIGURATION } }),
  },
  {
    name: 'deviceStatusAdded',
    type: 'Subscription',
    operation: `subscription DeviceStatusAdded($configurationId: ID!) {
  deviceStatusAdded(configurationId: $configurationId) {
    deviceStatusId
    deviceStatus {
      deviceDisplayName
      status
    }
  }
}
`,
    variables: (ids) => ({ configurationId: ids.configuration ?? NO_CONFIGURATION }),
  },
];

/** The examples in the order of the page. Queries come first unless the upstream is the sandbox. */
export function orderedExamples(upstream) {
  if (upstream?.kind === 'sandbox') return EXAMPLES;
  const isQuery = ({ type }) => type === 'Query';
  return [...EXAMPLES.filter(isQuery), ...EXAMPLES.filter((example) => !isQuery(example))];
}

/** The examples whose field is in the schema. Without a schema (introspection is off): all except subscriptions. */
export function offeredExamples(upstream, schema) {
  const examples = orderedExamples(upstream);
  if (!schema) return examples.filter(({ type }) => type !== 'Subscription');
  return examples.filter(({ name, field = name, type }) =>
    schema[`${type.toLowerCase()}Type`]?.fields.some((known) => known.name === field));
}

/**
 * Ids of existing objects. They are read only with the demo's token: with a caller's token, nothing is sent before the
 * caller presses Run. An object that one example deletes is not used by another.
 */
export async function exampleIds(settings, send) {
  const ids = {
    configuration: settings.exampleConfigurationId ?? undefined,
    node: settings.exampleNodeId ?? undefined,
  };
  if (!settings.demoToken || !ids.configuration) return ids;
  const answer = await send(
    `query ($id: ID!) {
      iosLobAppProvisioningConfiguration(id: $id) { deviceStatuses(first: 2) { nodes { id } } }
      iosLobAppProvisioningConfigurations(first: 10) { nodes { id graphId } }
    }`,
    { id: ids.configuration },
  ).catch(() => undefined);
  const statuses = answer?.data?.iosLobAppProvisioningConfiguration?.deviceStatuses?.nodes ?? [];
  const others = (answer?.data?.iosLobAppProvisioningConfigurations?.nodes ?? [])
    .filter(({ graphId }) => graphId !== ids.configuration);
  return { ...ids, status: statuses[0]?.id, spareStatus: statuses[1]?.id, spare: others.at(-1)?.id };
}
