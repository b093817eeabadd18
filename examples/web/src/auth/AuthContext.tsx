import { createContext, type ReactNode, use, useState } from 'react';

import type { Auth } from './auth';

interface AuthState {
  kind: Auth['kind'];
  account: string | null;
  signIn(claims?: string): Promise<void>;
  signOut(): Promise<void>;
}

const AuthContext = createContext<AuthState | null>(null);

export function AuthProvider({ auth, children }: { auth: Auth; children: ReactNode }) {
  const [account, setAccount] = useState(auth.account);
  const state: AuthState = {
    kind: auth.kind,
    account,
    signIn: async (claims) => setAccount(await auth.signIn(claims)),
    signOut: async () => {
      await auth.signOut();
      setAccount(null);
    },
  };
  return <AuthContext value={state}>{children}</AuthContext>;
}

export function useAuth(): AuthState {
  const state = use(AuthContext);
  if (!state) throw new Error('there is no AuthProvider above');
  return state;
}
