import type { ComplianceStatus as SchemaStatus } from './__generated__/StatusRow_status.graphql';

/** The schema's compliance statuses. */
export type ComplianceStatus = Exclude<SchemaStatus, '%future added value'>;

/** Each in words, in the order of the chart. Their colours are in `StatusName.css`. */
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

/** Those that a status may be added with, and looked for. */
export const INPUT_STATUSES = STATUSES.filter((status) => status !== 'UNKNOWN_FUTURE_VALUE');

export function isComplianceStatus(text: unknown): text is ComplianceStatus {
  return typeof text === 'string' && Object.hasOwn(STATUS_NAMES, text);
}
