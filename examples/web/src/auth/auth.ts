import { createFixedAuth } from './fixed';

/** Where the token comes from that goes with each request. */
export interface Auth {
  /** Whether there is a sign-in at all, or a token that stands fixed. */
  readonly kind: 'entra' | 'fixed';
  /** Who is signed in at the start. */
  readonly account: string | null;
  /**
   * Signs in, in a window of its own: this page, and with it a half-filled form, stays. Gives the account's name.
   *
   * @param claims what the token must carry, where Graph demanded it by a claims challenge
   */
  signIn(claims?: string): Promise<string>;
  /** Forgets the account and its tokens. */
  signOut(): Promise<void>;
  /** A token that is good by its date. Fails with `UNAUTHENTICATED` where the user has to be asked first. */
  token(): Promise<string>;
}

/** By the variables: sign-in with Microsoft Entra ID where there is a client id, else the fixed token. */
export async function createAuth(env: ImportMetaEnv): Promise<Auth> {
  if (!env.VITE_ENTRA_CLIENT_ID) return createFixedAuth(env.VITE_TOKEN ?? 'demo-token');
  // Loaded only where it is used: it is as large as the rest of the page.
  const { createEntraAuth } = await import('./entra');
  return createEntraAuth({
    clientId: env.VITE_ENTRA_CLIENT_ID,
    authority: env.VITE_ENTRA_AUTHORITY ?? 'https://login.microsoftonline.com/organizations',
    scopes: [env.VITE_ENTRA_SCOPE ?? 'https://graph.microsoft.com/DeviceManagementApps.ReadWrite.All'],
  });
}
