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

/** Each account has a store of its own: what one may see is not another's to see. */
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
      <h2>Which devices have their app’s profile?</h2>
      <p>
        Provisioning configurations of your tenant, the statuses that devices reported of them, and a form to add one.
        Sign in with an account that may manage apps in Intune.
      </p>
      <SignInButton />
    </main>
  );
}
