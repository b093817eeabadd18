import type { Auth } from './auth';

const ACCOUNT = 'Sandbox token';

/** One fixed token, for the sandbox. There is no sign-in: `signIn` returns at once, so that the caller can try again. */
export function createFixedAuth(token: string): Auth {
  return {
    kind: 'fixed',
    account: ACCOUNT,
    signIn: async () => ACCOUNT,
    signOut: async () => undefined,
    token: async () => token,
  };
}
