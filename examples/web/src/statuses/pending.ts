import type { AddDeviceStatusInput } from './__generated__/AddStatusMutation.graphql';

// The id of an optimistic row. No global id starts like this.
const PREFIX = 'pending:';

export function pendingId(key: string): string {
  return PREFIX + key;
}

/** The optimistic row of a new status: the fields that `StatusRow` reads. It does not change the counts. */
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
