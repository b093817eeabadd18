import { createFixedAuth } from './fixed';

/** The source of the token for each request. */
export interface Auth {
  /** `fixed`: no sign-in, one fixed token. */
  readonly kind: 'entra' | 'fixed';
  /** The account at startup. */
  readonly account: string | null;
  /**
   * Signs in with a pop-up window, so that the page keeps a half-filled form. Returns the account's name.
   *
   * @param claims the claims of Graph's claims challenge, if there was one
   */
  signIn(claims?: string): Promise<string>;
  /** Removes the account and its tokens from memory. */
  signOut(): Promise<void>;
  /** Returns a token that has not expired. Throws `UNAUTHENTICATED` if the user must sign in first. */
  token(): Promise<string>;
}

/** Sign-in with Microsoft Entra ID if a client id is set, otherwise the fixed token. */
export async function createAuth(env: ImportMetaEnv): Promise<Auth> {
  if (!env.VITE_ENTRA_CLIENT_ID) return createFixedAuth(env.VITE_TOKEN ?? 'demo-token');
  // Loaded on demand, because MSAL is as large as the rest of the page.
  const { createEntraAuth } = await import('./entra');
  return createEntraAuth({
    clientId: env.VITE_ENTRA_CLIENT_ID,
    authority: env.VITE_ENTRA_AUTHORITY ?? 'https://login.microsoftonline.com/organizations',
    scopes: [env.VITE_ENTRA_SCOPE ?? 'https://graph.microsoft.com/DeviceManagementApps.ReadWrite.All'],
  });
}
