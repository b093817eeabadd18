import react from '@vitejs/plugin-react';
import { defineConfig } from 'vite';
import relay from 'vite-plugin-relay';

/** The target of the proxy for `/graphql`. The page and the API share an origin, so no CORS setting is needed. */
const gateway = process.env.GATEWAY ?? 'http://127.0.0.1:4000';

// `vite preview` uses the same proxy.
export default defineConfig({
  plugins: [relay, react()],
  // The gateway compares the `Host` of a WebSocket with its `Origin`, so the proxy must not change it.
  server: { proxy: { '/graphql': { target: gateway, ws: true, changeOrigin: false } } },
  build: { rolldownOptions: { input: ['index.html', 'signed-in.html'] } },
});
