import { graphql, useFragment } from 'react-relay';

import { Instant } from '../Instant';
import type { StatusRow_status$key } from './__generated__/StatusRow_status.graphql';
import { isPending } from './pending';
import { StatusName } from './StatusName';

export function StatusRow({ status: key }: { status: StatusRow_status$key }) {
  const status = useFragment(
    graphql`
      fragment StatusRow_status on DeviceStatus {
        id
        deviceDisplayName
        deviceModel
        userName
        userPrincipalName
        status
        lastReportedDateTime
      }
    `,
    key,
  );
  const pending = isPending(status.id);
  return (
    <tr aria-busy={pending}>
      <td>
        <span>{status.deviceDisplayName ?? '–'}</span>
        <small className="wide-only">{status.deviceModel}</small>
        <small className="narrow-only">{status.userName}</small>
      </td>
      <td className="wide-only">
        {status.userName ?? '–'}
        <small>{status.userPrincipalName}</small>
      </td>
      <td>
        {status.status ? <StatusName of={status.status} /> : '–'}
        {pending && <small className="pending">Adding…</small>}
      </td>
      <td>
        <Instant of={status.lastReportedDateTime} />
      </td>
    </tr>
  );
}
