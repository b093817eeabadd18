// The redirect page of the sign-in window. It passes the response to the page that opened the window.
import { broadcastResponseToMainFrame } from '@azure/msal-browser/redirect-bridge';

await broadcastResponseToMainFrame();
