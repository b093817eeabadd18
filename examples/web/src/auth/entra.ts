import { type AccountInfo, InteractionRequiredAuthError, PublicClientApplication } from '@azure/msal-browser';

import { GatewayError } from '../gateway/GatewayError';
import type { Auth } from './auth';

interface EntraSettings {
  clientId: string;
  authority: string;
  scopes: string[];
}

/** Sign-in with Microsoft Entra ID. Tokens are kept in memory only, so a reload requires a new sign-in. */
export async function createEntraAuth({ clientId, authority, scopes }: EntraSettings): Promise<Auth> {
  const application = new PublicClientApplication({
    auth: {
      clientId,
      authority,
      redirectUri: new URL(`${import.meta.env.BASE_URL}signed-in.html`, location.origin).href,
      // Declares support for claims challenges. Tokens then last longer, and Graph may send challenges.
      clientCapabilities: ['CP1'],
    },
    cache: { cacheLocation: 'memoryStorage' },
    // In milliseconds. MSAL's default of 60 s is too short for a password and a second factor.
    system: { popupBridgeTimeout: 600_000 },
  });
  await application.initialize();
  let account: AccountInfo | null = null;

  return {
    kind: 'entra',
    account: null,
    async signIn(claims) {
      const request = account ? { account } : { prompt: 'select_account' };
      const result = await application.acquireTokenPopup({ scopes, claims, overrideInteractionInProgress: true, ...request });
      account = result.account;
      return account.username;
    },
    async signOut() {
      await application.clearCache({ account });
      account = null;
    },
    async token() {
      if (!account) throw GatewayError.signedOut();
      try {
        return (await application.acquireTokenSilent({ scopes, account })).accessToken;
      } catch (error) {
        if (error instanceof InteractionRequiredAuthError) throw GatewayError.signedOut(error.claims || undefined);
        throw error;
      }
    },
  };
}
