// One working example for each mutation, query and subscription, for both pages.
//
// `variables` is called with the ids that are known: `configuration` (Graph's key), `node`, `status` and `spare` (global
// ids). What is not known is left as words that say what belongs there, so that nothing can be run by accident but the one
// that needs no id, and makes a configuration that is assigned to nobody.

const NO_CONFIGURATION = 'put the id of a configuration here';
const NO_NODE = 'put a global id here (the `id` of any object)';
const NO_STATUS = 'put the global id of a device status here';

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
    clientMutationId
  }
}
`,
    variables: (ids) => ({
      input: {
        configurationId: ids.configuration ?? NO_CONFIGURATION,
        deviceStatus: newStatus('iPad-0042'),
        clientMutationId: 'from-graphiql',
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
        message
      }
    }
  }
}
`,
    variables: (ids) => ({
      input: {
        configurationId: ids.configuration ?? NO_CONFIGURATION,
        deviceStatuses: [newStatus('iPad-0043'), newStatus('iPad-0044')],
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
          payload: 'PGRpY3QvPg==',
          description: 'Made in GraphiQL',
          expirationDateTime: '2027-11-01T00:00:00Z',
        },
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

/** The examples whose field the gateway has; all of them but subscriptions where it does not say (introspection is off). */
export function offeredExamples(schema) {
  if (!schema) return EXAMPLES.filter(({ type }) => type !== 'Subscription');
  return EXAMPLES.filter(({ name, type }) =>
    schema[`${type.toLowerCase()}Type`]?.fields.some((field) => field.name === name));
}

/**
 * Ids of objects that exist. Only the demo's own token is used unasked: with a caller's, nothing is read before Run is
 * pressed. What is deleted by an example is used by no other.
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
