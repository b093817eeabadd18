import type { Auth } from './auth';

const ACCOUNT = 'Sandbox token';

/** One fixed token, for the sandbox. There is no sign-in: `signIn` only lets the caller try again. */
export function createFixedAuth(token: string): Auth {
  return {
    kind: 'fixed',
    account: ACCOUNT,
    signIn: async () => ACCOUNT,
    signOut: async () => undefined,
    token: async () => token,
  };
}
