import './style/theme.css';
import './style/base.css';
import './style/layout.css';

import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';

import { App } from './App';
import { createAuth } from './auth/auth';
import { AuthProvider } from './auth/AuthContext';

const root = document.getElementById('root');
if (!root) throw new Error('the page has no #root');

const auth = await createAuth(import.meta.env);
// Error boundaries show their errors to the user, so the console does not repeat them.
createRoot(root, { onCaughtError: () => undefined }).render(
  <StrictMode>
    <AuthProvider auth={auth}>
      <App auth={auth} />
    </AuthProvider>
  </StrictMode>,
);
