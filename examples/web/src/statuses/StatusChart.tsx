import './StatusChart.css';

import type { CSSProperties } from 'react';
import { graphql, useFragment } from 'react-relay';

import type { StatusChart_configuration$key } from './__generated__/StatusChart_configuration.graphql';
import { STATUSES } from './complianceStatus';
import { StatusName } from './StatusName';
import { type View, withFilter } from './view';

interface Props {
  configuration: StatusChart_configuration$key;
  view: View;
  onView: (view: View) => void;
}

/** How many devices stand at each compliance status: their shares in one bar, and a bar for each on a button that filters the table. */
export function StatusChart({ configuration, view, onView }: Props) {
  const { deviceStatusCounts } = useFragment(
    graphql`
      fragment StatusChart_configuration on IosLobAppProvisioningConfiguration @throwOnFieldError {
        deviceStatusCounts {
          status
          # One count that failed is not worth the others.
          count @catch(to: NULL)
        }
      }
    `,
    configuration,
  );
  const counts = new Map(deviceStatusCounts?.map(({ status, count }) => [status, count]));
  const total = STATUSES.reduce((sum, status) => sum + (counts.get(status) ?? 0), 0);
  const most = Math.max(1, ...STATUSES.map((status) => counts.get(status) ?? 0));
  const isShown = (status: string) => status !== 'UNKNOWN_FUTURE_VALUE' || view.status === status;

  return (
    <figure className="chart" aria-labelledby="chart">
      <figcaption id="chart">
        <strong>{total.toLocaleString()}</strong> {total === 1 ? 'device status' : 'device statuses'}
      </figcaption>
      <div className="shares" aria-hidden="true">
        {STATUSES.map((status) => (
          <span key={status} data-status={status} style={{ flexGrow: counts.get(status) ?? 0 }} />
        ))}
      </div>
      <ul>
        {STATUSES.filter((status) => isShown(status) || counts.get(status)).map((status) => {
          const count = counts.get(status);
          const isChosen = view.status === status;
          return (
            <li key={status}>
              <button
                type="button"
                aria-pressed={isChosen}
                data-status={status}
                style={{ '--bar': (count ?? 0) / most } as CSSProperties}
                onClick={() => onView(withFilter(view, { status: isChosen ? null : status }))}
              >
                <StatusName of={status} />{' '}
                <span className="count" data-count={count}>{count?.toLocaleString() ?? '–'}</span>
              </button>
            </li>
          );
        })}
      </ul>
    </figure>
  );
}
