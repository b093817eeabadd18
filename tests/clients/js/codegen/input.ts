// A device status to add, with the type of the schema's input.
import type { AddMutationVariables } from "./generated/graphql";

/** The sandbox's first configuration, which has nine of ten of its statuses. */
export const configuration = "e2a23631-3631-e2a2-3136-a2e23136a2e2";

export const variables: AddMutationVariables = {
  input: {
    configurationId: configuration,
    deviceStatus: {
      deviceDisplayName: "by graphql-codegen",
      userName: "Zoë",
      deviceModel: "iPad13,8",
      platform: 8,
      status: "COMPLIANT",
      complianceGracePeriodExpirationDateTime: "9999-12-31T23:59:59.9999999Z",
      lastReportedDateTime: "2016-12-31T23:57:41.6559639+03:00",
      userPrincipalName: "zoe@example.com",
    },
  },
};
