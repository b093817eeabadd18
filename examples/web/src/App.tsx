import { useMemo } from 'react';
import { RelayEnvironmentProvider } from 'react-relay';

import type { Auth } from './auth/auth';
import { useAuth } from './auth/AuthContext';
import { SignInButton } from './auth/SignInButton';
import { Configurations } from './configurations/Configurations';
import { createEnvironment, GATEWAY } from './gateway/environment';
import { createLive } from './gateway/live';
import { LiveProvider } from './gateway/LiveContext';

export function App({ auth }: { auth: Auth }) {
  const { account } = useAuth();
  return (
    <>
      <Header />
      {account ? <SignedIn key={account} auth={auth} /> : <SignedOut />}
    </>
  );
}

function Header() {
  const { kind, account, signOut } = useAuth();
  return (
    <header className="top">
      <img src={`${import.meta.env.BASE_URL}icon.svg`} alt="" width="26" height="26" />
      <h1>Intune device statuses</h1>
      {account && <span className="account">{account}</span>}
      {account && kind === 'entra' && (
        <button type="button" className="quiet" onClick={signOut}>
          Sign out
        </button>
      )}
    </header>
  );
}

/** Each account has its own Relay store, so that no data of one account is shown to another. */
function SignedIn({ auth }: { auth: Auth }) {
  const live = useMemo(() => createLive(auth, GATEWAY), [auth]);
  const environment = useMemo(() => createEnvironment(auth, live), [auth, live]);
  return (
    <RelayEnvironmentProvider environment={environment}>
      <LiveProvider value={live}>
        <Configurations />
      </LiveProvider>
    </RelayEnvironmentProvider>
  );
}

function SignedOut() {
  return (
    <main className="welcome card">
      <h2>See which devices have your app’s provisioning profile</h2>
      <p>
        This page lists your tenant’s provisioning configurations and the status of each device, and can add statuses.
        Sign in with an account that can manage apps in Intune.
      </p>
      <SignInButton />
    </main>
  );
}
