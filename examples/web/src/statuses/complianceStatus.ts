import type { ComplianceStatus as SchemaStatus } from './__generated__/StatusRow_status.graphql';

/** The schema's compliance statuses. */
export type ComplianceStatus = Exclude<SchemaStatus, '%future added value'>;

/** Their names, in the order of the chart. `StatusName.css` has their colors. */
export const STATUS_NAMES: Record<ComplianceStatus, string> = {
  COMPLIANT: 'Compliant',
  REMEDIATED: 'Remediated',
  NON_COMPLIANT: 'Not compliant',
  ERROR: 'Error',
  CONFLICT: 'Conflict',
  NOT_APPLICABLE: 'Not applicable',
  NOT_ASSIGNED: 'Not assigned',
  UNKNOWN: 'Unknown',
  UNKNOWN_FUTURE_VALUE: 'Other',
};

export const STATUSES = Object.keys(STATUS_NAMES).filter(isComplianceStatus);

/** The statuses for the form and the filter. */
export const INPUT_STATUSES = STATUSES.filter((status) => status !== 'UNKNOWN_FUTURE_VALUE');

export function isComplianceStatus(text: unknown): text is ComplianceStatus {
  return typeof text === 'string' && Object.hasOwn(STATUS_NAMES, text);
}
