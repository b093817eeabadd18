interface ImportMetaEnv {
  /** Where the gateway is, where that is not this page's own origin: it must name this one in `--cors-origin`. */
  readonly VITE_GRAPHQL_URL?: string;
  /** Application (client) id of the app registration. With it users sign in; without it the fixed token is sent. */
  readonly VITE_ENTRA_CLIENT_ID?: string;
  /** Whose accounts may sign in; the default is those of any organisation. */
  readonly VITE_ENTRA_AUTHORITY?: string;
  /** What the token is asked for. */
  readonly VITE_ENTRA_SCOPE?: string;
  /** The fixed token; the sandbox takes any. */
  readonly VITE_TOKEN?: string;
}

interface ImportMeta {
  readonly env: ImportMetaEnv;
}
