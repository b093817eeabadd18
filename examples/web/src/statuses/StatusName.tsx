import './StatusName.css';

import { isComplianceStatus, STATUS_NAMES } from './complianceStatus';

/** A compliance status: its color and name, or the value itself if it is newer than this page. */
export function StatusName({ of: status }: { of: string }) {
  return (
    <span className="status-name" data-status={status}>
      {isComplianceStatus(status) ? STATUS_NAMES[status] : status}
    </span>
  );
}
