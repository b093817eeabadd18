import './Configurations.css';

import { useState } from 'react';
import { graphql, useLazyLoadQuery } from 'react-relay';

import { Region } from '../errors/Region';
import { useVersion } from '../gateway/useVersion';
import type { ConfigurationsQuery } from './__generated__/ConfigurationsQuery.graphql';
import { ConfigurationView } from './ConfigurationView';

/** The tenant's configurations, and the selected one. */
export function Configurations() {
  const { version, isStale, reload } = useVersion();
  return (
    <Region
      subject={version}
      isStale={isStale}
      onRetry={reload}
      placeholder={<p className="placeholder">Loading configurations…</p>}
    >
      <ConfigurationChooser version={version} />
    </Region>
  );
}

function ConfigurationChooser({ version }: { version: number }) {
  const { iosLobAppProvisioningConfigurations: list } = useLazyLoadQuery<ConfigurationsQuery>(
    graphql`
      query ConfigurationsQuery @throwOnFieldError {
        iosLobAppProvisioningConfigurations(first: 200, orderBy: { field: DISPLAY_NAME }) {
          nodes {
            id
            displayName
            payloadFileName
          }
          pageInfo {
            hasNextPage
          }
        }
      }
    `,
    {},
    { fetchKey: version },
  );
  const [chosen, choose] = useState<string>();
  const configurations = list?.nodes ?? [];
  const current = configurations.find(({ id }) => id === chosen) ?? configurations[0];

  return (
    <div className="configurations">
      <nav className="chooser" aria-labelledby="configurations">
        <h2 id="configurations">Configurations</h2>
        <ul>
          {configurations.map(({ id, displayName, payloadFileName }) => (
            <li key={id}>
              <button type="button" aria-current={id === current?.id} onClick={() => choose(id)}>
                <span>{displayName ?? 'Unnamed configuration'}</span>
                <small>{payloadFileName}</small>
              </button>
            </li>
          ))}
        </ul>
        {list?.pageInfo.hasNextPage && <p>The first {configurations.length} configurations are listed.</p>}
      </nav>
      {current ? (
        <ConfigurationView key={current.id} id={current.id} />
      ) : (
        <main className="card placeholder">This tenant has no provisioning configurations for iOS line-of-business apps.</main>
      )}
    </div>
  );
}
