import react from '@vitejs/plugin-react';
import { defineConfig } from 'vite';
import relay from 'vite-plugin-relay';

/** The gateway that `/graphql` is handed on to, so that the page and the API have one origin, and no CORS is needed. */
const gateway = process.env.GATEWAY ?? 'http://127.0.0.1:4000';

// `vite preview` has the proxy of `vite` too.
export default defineConfig({
  plugins: [relay, react()],
  // The gateway accepts WebSockets of its own origin only, so the page's `Host` must stay.
  server: { proxy: { '/graphql': { target: gateway, ws: true, changeOrigin: false } } },
  build: { rolldownOptions: { input: ['index.html', 'signed-in.html'] } },
});
