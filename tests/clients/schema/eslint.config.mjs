// The rule sets for schemas and for Relay, with what departs from their defaults and why.

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
      // Microsoft Graph pages forward only: a connection has no `last` and no `before` to offer.
      '@graphql-eslint/relay-arguments': ['error', { includeBoth: false }],
      // `nodes` beside `edges`, and lists that are no connections because they are never paged (`deviceStatusCounts`,
      // `results`), are plain lists.
      '@graphql-eslint/relay-edge-types': ['error', { listTypeCanWrapOnlyEdgeType: false }],
      // Entities have an id. These do not: what is part of another object, or only carries others.
      '@graphql-eslint/strict-id-in-types': [
        'error',
        { exceptions: { types: ['DeviceStatusAdded', 'PageInfo'], suffixes: ['AssignmentTarget', 'Connection', 'Count', 'Detail', 'Edge', 'Error', 'Payload', 'Result'] } },
      ],
    },
  },
];
