import type { Auth } from './auth';

const ACCOUNT = 'Fixed token';

/** One token for everybody, as the sandbox takes it. There is nobody to ask for another: signing in is trying again. */
export function createFixedAuth(token: string): Auth {
  return {
    kind: 'fixed',
    account: ACCOUNT,
    signIn: async () => ACCOUNT,
    signOut: async () => undefined,
    token: async () => token,
  };
}
