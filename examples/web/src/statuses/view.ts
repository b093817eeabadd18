import type { AddDeviceStatusInput } from './__generated__/AddStatusMutation.graphql';
import type { DeviceStatusFilter } from './__generated__/StatusTableQuery.graphql';
import type { ComplianceStatus } from './complianceStatus';

/** Which device statuses the table shows. */
export interface View {
  status: ComplianceStatus | null;
  /** Text that the device's name contains; empty for any. */
  name: string;
  /** The `after` cursors of the pages up to this one. Lists only go forward, so the page keeps them to go back. */
  cursors: readonly string[];
}

export const FIRST_VIEW: View = { status: null, name: '', cursors: [] };

/** Changes the filter, and returns to the first page. */
export function withFilter(view: View, filter: Partial<Pick<View, 'status' | 'name'>>): View {
  return { ...view, ...filter, cursors: [] };
}

export function isFiltered({ status, name }: View): boolean {
  return status !== null || name !== '';
}

export function filterOf({ status, name }: View): DeviceStatusFilter {
  return {
    ...(status && { status: { eq: status } }),
    ...(name && { deviceDisplayName: { contains: name } }),
  };
}

/** Whether a new status belongs in the list. */
export function includes({ status, name }: View, added: AddDeviceStatusInput['deviceStatus']): boolean {
  const hasName = added.deviceDisplayName.toLowerCase().includes(name.toLowerCase());
  return hasName && (status === null || added.status === status);
}
