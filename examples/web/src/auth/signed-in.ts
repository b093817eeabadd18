// The page that Microsoft Entra ID sends the sign-in window back to: it hands the answer on to the page that opened it.
import { broadcastResponseToMainFrame } from '@azure/msal-browser/redirect-bridge';

await broadcastResponseToMainFrame();
