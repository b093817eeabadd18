import './StatusTable.css';

import { useEffect } from 'react';
import { graphql, useLazyLoadQuery } from 'react-relay';

import type { StatusTableQuery } from './__generated__/StatusTableQuery.graphql';
import { StatusRow } from './StatusRow';
import { filterOf, isFiltered, type View } from './view';

interface Props {
  configuration: string;
  view: View;
  version: number;
  onView: (view: View) => void;
  onClearFilter: () => void;
  /** Receives the Relay store's id of the list, so that a new status can be inserted into it. */
  onShown: (list: string | undefined) => void;
}

/** One page of the list. */
export function StatusTable({ configuration, view, version, onView, onClearFilter, onShown }: Props) {
  const data = useLazyLoadQuery<StatusTableQuery>(
    graphql`
      query StatusTableQuery($configuration: ID!, $after: String, $filter: DeviceStatusFilter!) @throwOnFieldError {
        iosLobAppProvisioningConfiguration(id: $configuration) {
          deviceStatuses(
            first: 20
            after: $after
            filter: $filter
            orderBy: { field: LAST_REPORTED_DATE_TIME, direction: DESC }
          ) {
            __id
            totalCount
            edges {
              node {
                id
                ...StatusRow_status
              }
            }
            pageInfo {
              hasNextPage
              endCursor
            }
          }
        }
      }
    `,
    { configuration, after: view.cursors.at(-1), filter: filterOf(view) },
    { fetchKey: version },
  );
  const list = data.iosLobAppProvisioningConfiguration?.deviceStatuses;
  const id = list?.__id;
  useEffect(() => onShown(id), [onShown, id]);
  if (!list) return <p className="placeholder">This configuration no longer exists.</p>;

  const { edges, totalCount, pageInfo } = list;
  const { cursors } = view;
  const next = pageInfo.hasNextPage ? pageInfo.endCursor : null;
  return (
    <>
      {edges.length === 0 ? (
        <Empty view={view} onClearFilter={onClearFilter} />
      ) : (
        <table>
          <thead>
            <tr>
              <th scope="col">Device</th>
              <th scope="col" className="wide-only">
                User
              </th>
              <th scope="col">Status</th>
              <th scope="col">Last reported</th>
            </tr>
          </thead>
          <tbody>
            {edges.map(({ node }) => (
              <StatusRow key={node.id} status={node} />
            ))}
          </tbody>
        </table>
      )}
      <nav className="pages" aria-label="Pages">
        <p role="status">
          Page {cursors.length + 1}
          {/* Null if Graph does not return it. */}
          {totalCount != null && ` · ${totalCount.toLocaleString()} in total`}
        </p>
        <button
          type="button"
          disabled={cursors.length === 0}
          onClick={() => onView({ ...view, cursors: cursors.slice(0, -1) })}
        >
          Previous page
        </button>
        <button
          type="button"
          disabled={!next}
          onClick={() => next && onView({ ...view, cursors: [...cursors, next] })}
        >
          Next page
        </button>
      </nav>
    </>
  );
}

/** Why the list is empty, in place of a table. */
function Empty({ view, onClearFilter }: { view: View; onClearFilter: () => void }) {
  if (view.cursors.length > 0) {
    return <p className="placeholder">This page has no statuses anymore. Go back to the previous page.</p>;
  }
  if (!isFiltered(view)) {
    return <p className="placeholder">No device has reported a status for this configuration.</p>;
  }
  return (
    <div className="empty">
      <p>No statuses match this filter</p>
      <button type="button" onClick={onClearFilter}>
        Clear the filter
      </button>
    </div>
  );
}
