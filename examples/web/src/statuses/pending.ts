import type { AddDeviceStatusInput } from './__generated__/AddStatusMutation.graphql';

// A row that is shown before the gateway has answered has an id of our own making, which no global id looks like.
const PREFIX = 'pending:';

export function pendingId(key: string): string {
  return PREFIX + key;
}

/** What is shown of a new status until then: what `StatusRow` reads. Its counts are the gateway's to say. */
export function pendingNode(key: string, status: AddDeviceStatusInput['deviceStatus']) {
  const { deviceDisplayName, deviceModel, userName, userPrincipalName, status: compliance, lastReportedDateTime } = status;
  return {
    id: pendingId(key),
    deviceDisplayName,
    deviceModel,
    userName,
    userPrincipalName,
    status: compliance,
    lastReportedDateTime,
    configuration: null,
  };
}

export function isPending(id: string): boolean {
  return id.startsWith(PREFIX);
}
