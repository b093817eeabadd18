import './ConfigurationView.css';

import { useState } from 'react';
import { graphql, useLazyLoadQuery } from 'react-relay';

import { Region } from '../errors/Region';
import { useVersion } from '../gateway/useVersion';
import { Instant } from '../Instant';
import { StatusChart } from '../statuses/StatusChart';
import { Statuses } from '../statuses/Statuses';
import { FIRST_VIEW, type View } from '../statuses/view';
import type { ConfigurationViewQuery } from './__generated__/ConfigurationViewQuery.graphql';

/** A configuration: its properties, the counts of its device statuses, and their list. */
export function ConfigurationView({ id }: { id: string }) {
  const [view, setView] = useState(FIRST_VIEW);
  const { version, isStale, reload } = useVersion();
  return (
    <main>
      <Region
        subject={version}
        isStale={isStale}
        onRetry={reload}
        placeholder={<p className="card placeholder">Loading the configuration…</p>}
      >
        <Overview id={id} version={version} isStale={isStale} onReload={reload} view={view} onView={setView} />
      </Region>
      <Statuses configuration={id} view={view} onView={setView} onReloadCounts={reload} />
    </main>
  );
}

interface OverviewProps {
  id: string;
  version: number;
  isStale: boolean;
  onReload: () => void;
  view: View;
  onView: (view: View) => void;
}

function Overview({ id, version, isStale, onReload, view, onView }: OverviewProps) {
  const { iosLobAppProvisioningConfiguration: configuration } = useLazyLoadQuery<ConfigurationViewQuery>(
    graphql`
      query ConfigurationViewQuery($id: ID!) @throwOnFieldError {
        iosLobAppProvisioningConfiguration(id: $id) {
          displayName
          description
          version
          expirationDateTime
          lastModifiedDateTime
          provisioningProfile @catch(to: RESULT) {
            expirationDate
          }
          ...StatusChart_configuration
        }
      }
    `,
    { id },
    { fetchKey: version },
  );
  if (!configuration) return <p className="card placeholder">This configuration no longer exists.</p>;
  const { provisioningProfile: profile } = configuration;
  // Intune does not return the expiry of each profile. A payload that cannot be read has none either.
  const expiration = configuration.expirationDateTime ?? (profile.ok ? profile.value?.expirationDate : undefined);

  return (
    <section className="card overview">
      <header>
        <h2>{configuration.displayName ?? 'Unnamed configuration'}</h2>
        {configuration.description && <p>{configuration.description}</p>}
        <dl>
          <div>
            <dt>Version</dt>
            <dd>{configuration.version ?? '–'}</dd>
          </div>
          <div>
            <dt>Expires</dt>
            <dd>
              <Instant of={expiration} />
            </dd>
          </div>
          <div>
            <dt>Last changed</dt>
            <dd>
              <Instant of={configuration.lastModifiedDateTime} />
            </dd>
          </div>
        </dl>
        <ExpiryWarning of={expiration} />
      </header>
      {/* If the counts cannot be read, the rest is still shown. */}
      <Region subject={version} isStale={isStale} onRetry={onReload} placeholder={null}>
        <StatusChart configuration={configuration} view={view} onView={onView} onReload={onReload} />
      </Region>
    </section>
  );
}

/** Warns of a profile that has expired, or does so within 30 days. */
function ExpiryWarning({ of: text }: { of: string | null | undefined }) {
  const [now] = useState(() => Date.now());
  if (!text) return null;
  const days = Math.floor((Date.parse(text) - now) / (24 * 60 * 60 * 1000));
  if (!(days < 30)) return null;
  const when = days < 0 ? 'has expired' : days === 0 ? 'expires within a day' : `expires in ${days} ${days === 1 ? 'day' : 'days'}`;
  return (
    <p className="expiry-warning" role="status">
      The profile {when}. Apps that it signs do not start afterwards.
    </p>
  );
}
