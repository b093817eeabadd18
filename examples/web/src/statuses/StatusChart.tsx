import './StatusChart.css';

import { type CSSProperties, useMemo } from 'react';
import { graphql, useFragment } from 'react-relay';

import { SupportDetails } from '../errors/SupportDetails';
import { useCountdown } from '../errors/useCountdown';
import { type AnsweredError, GatewayError } from '../gateway/GatewayError';
import type { StatusChart_configuration$data, StatusChart_configuration$key } from './__generated__/StatusChart_configuration.graphql';
import { STATUSES } from './complianceStatus';
import { StatusName } from './StatusName';
import { type View, withFilter } from './view';

interface Props {
  configuration: StatusChart_configuration$key;
  view: View;
  onView: (view: View) => void;
  onReload: () => void;
}

/** The number of devices by compliance status: one bar of all shares, and a button for each, which filters the table. */
export function StatusChart({ configuration, view, onView, onReload }: Props) {
  const { deviceStatusCounts } = useFragment(
    graphql`
      fragment StatusChart_configuration on IosLobAppProvisioningConfiguration @throwOnFieldError {
        deviceStatusCounts {
          status
          # A count that failed does not hide the others.
          count @catch(to: RESULT)
        }
      }
    `,
    configuration,
  );
  const counts = new Map(deviceStatusCounts?.map(({ status, count }) => [status, count.ok ? count.value : null]));
  const [first, ...others] = useMemo(() => failuresOf(deviceStatusCounts ?? []), [deviceStatusCounts]);
  // If every count failed, the region shows the error instead of a chart.
  if (first && others.length + 1 === deviceStatusCounts?.length) throw first;
  const total = STATUSES.reduce((sum, status) => sum + (counts.get(status) ?? 0), 0);
  const most = Math.max(1, ...STATUSES.map((status) => counts.get(status) ?? 0));
  const isShown = (status: string) => status !== 'UNKNOWN_FUTURE_VALUE' || view.status === status;

  return (
    <figure className="chart" aria-labelledby="chart">
      <figcaption id="chart">
        <strong>{total.toLocaleString()}</strong> {total === 1 ? 'device status' : 'device statuses'}
        {first && ' counted'}
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
      {first && <Failures errors={[first, ...others]} onReload={onReload} />}
    </figure>
  );
}

/** How many counts are missing, and when they can be read again. */
function Failures({ errors, onReload }: { errors: readonly [GatewayError, ...GatewayError[]]; onReload: () => void }) {
  const secondsLeft = useCountdown(Math.max(...errors.map(({ retryAt }) => retryAt ?? 0)));
  return (
    <div className="failures">
      <div className="actions">
        <p role="status">{errors.length === 1 ? '1 count' : `${errors.length} counts`} could not be read.</p>
        <button type="button" disabled={secondsLeft > 0} onClick={onReload}>
          {secondsLeft > 0 ? `Try again in ${secondsLeft} s` : 'Try again'}
        </button>
      </div>
      <SupportDetails error={errors[0]} />
    </div>
  );
}

type Counts = NonNullable<StatusChart_configuration$data['deviceStatusCounts']>;

function failuresOf(counts: Counts): GatewayError[] {
  // Relay removes the message and keeps the extensions.
  return counts.flatMap(({ count }) =>
    count.ok ? [] : [new GatewayError({ message: '', ...(count.errors[0] as Partial<AnsweredError>) })],
  );
}
