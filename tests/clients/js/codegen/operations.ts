// A front end's operations. graphql-codegen generates their types from the schema.
import { graphql } from "./generated";

export const StatusFields = graphql(`
  fragment StatusFields on DeviceStatus {
    id
    deviceDisplayName
    status
    lastReportedDateTime
  }
`);

export const Add = graphql(`
  mutation Add($input: AddDeviceStatusInput!) {
    addDeviceStatus(input: $input) {
      deviceStatusId
      deviceStatus {
        ...StatusFields
      }
    }
  }
`);

export const One = graphql(`
  query One($id: ID!) {
    node(id: $id) {
      ...StatusFields
    }
  }
`);

export const Page = graphql(`
  query Page($id: ID!, $after: String) {
    iosLobAppProvisioningConfiguration(id: $id) {
      deviceStatuses(first: 100, after: $after) {
        nodes {
          id
        }
        pageInfo {
          hasNextPage
          endCursor
        }
      }
    }
  }
`);
