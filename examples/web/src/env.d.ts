interface ImportMetaEnv {
  /** The gateway's address. If its origin differs from the page's, allow the page's with `--cors-origin`. */
  readonly VITE_GRAPHQL_URL?: string;
  /** Application (client) id of the app registration. Without it, the page sends the fixed token. */
  readonly VITE_ENTRA_CLIENT_ID?: string;
  /** Authority for sign-in. By default, accounts of any organization can sign in. */
  readonly VITE_ENTRA_AUTHORITY?: string;
  /** Scope of the token. */
  readonly VITE_ENTRA_SCOPE?: string;
  /** Fixed token, for the sandbox. */
  readonly VITE_TOKEN?: string;
}

interface ImportMeta {
  readonly env: ImportMetaEnv;
}
