import './StatusName.css';

import { isComplianceStatus, STATUS_NAMES } from './complianceStatus';

/** A compliance status in words, with its colour beside. One that this page does not know stands as it came. */
export function StatusName({ of: status }: { of: string }) {
  return (
    <span className="status-name" data-status={status}>
      {isComplianceStatus(status) ? STATUS_NAMES[status] : status}
    </span>
  );
}
