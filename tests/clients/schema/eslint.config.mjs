// The rule sets for schemas and for Relay, and each exception with its reason.

import graphql from '@graphql-eslint/eslint-plugin';

export default [
  {
    files: ['**/*.graphql'],
    languageOptions: {
      parser: graphql.parser,
      parserOptions: { graphQLConfig: { schema: new URL('../../../schema.graphql', import.meta.url).pathname } },
    },
    plugins: { '@graphql-eslint': graphql },
    rules: {
      ...graphql.configs['flat/schema-recommended'].rules,
      ...graphql.configs['flat/schema-relay'].rules,
      // Microsoft Graph pages forward only, so connections have no `last` and no `before`.
      '@graphql-eslint/relay-arguments': ['error', { includeBoth: false }],
      // `nodes` beside `edges` is a plain list, and so are lists that are never paged (`deviceStatusCounts`, `results`).
      '@graphql-eslint/relay-edge-types': ['error', { listTypeCanWrapOnlyEdgeType: false }],
      // Entities have an id. These types do not: they are part of another object, or only contain others.
      '@graphql-eslint/strict-id-in-types': [
        'error',
        { exceptions: { types: ['DeviceStatusAdded', 'PageInfo', 'ProvisioningProfile'], suffixes: ['AssignmentTarget', 'Connection', 'Count', 'Detail', 'Edge', 'Error', 'Payload', 'Result'] } },
      ],
    },
  },
];
