import { type Client, createClient, type SubscribePayload } from 'graphql-ws';
import { type GraphQLResponse, Observable, type SubscribeFunction } from 'relay-runtime';

import type { Auth } from '../auth/auth';

/** The interval between pings and the longest wait for a pong, in milliseconds. */
const PING_EVERY = 20_000;
const PONG_WITHIN = 10_000;
/** The longest wait before the next attempt to connect, in milliseconds. */
const LONGEST_WAIT = 30_000;
/**
 * A subscription that lasts this long, in milliseconds, or has had an event counts as accepted. The gateway does not
 * acknowledge it: it checks with Graph whether the token may read the configuration, and sends an error if not.
 */
const ACCEPTED_AFTER = 10_000;

/**
 * - `connected`: the gateway has acknowledged the connection.
 * - `disconnected`: the connection was lost, or could not be opened.
 * - `missed`: an error came in place of an event, for example because the token has expired.
 */
export type LiveEvent = 'connected' | 'disconnected' | 'missed';

/** Subscriptions over a WebSocket, and the state of its connection. */
export interface Live {
  /** Starts a lost or refused subscription again, with a current token. */
  subscribe: SubscribeFunction;
  /** Calls `listener` for each event until the returned function is called. */
  watch(listener: (event: LiveEvent) => void): () => void;
}

interface Response {
  data?: Record<string, unknown> | null;
  errors?: readonly unknown[];
}

/** @param url the gateway's HTTP address, absolute or relative to the page */
export function createLive(auth: Auth, url: string): Live {
  const listeners = new Set<(event: LiveEvent) => void>();
  const emit = (event: LiveEvent) => listeners.forEach((listener) => listener(event));
  let client: Client | undefined;
  let connectedAt = 0;

  const subscribe: SubscribeFunction = ({ name, text }, variables) =>
    Observable.create<GraphQLResponse>((sink) => {
      // Some browsers have no WebSocket. The page works without live updates.
      if (typeof WebSocket === 'undefined') return undefined;
      client ??= connectTo(url, auth, () => {
        connectedAt = Date.now();
        emit('connected');
      });
      const operations = client;
      const operation: SubscribePayload = { operationName: name, query: text ?? '', variables };
      let failures = 0;
      let timer: ReturnType<typeof setTimeout> | undefined;
      let unsubscribe: (() => void) | undefined;
      let isClosed = false;

      const start = () => {
        const startedAt = Date.now();
        let hasEvent = false;
        const isAccepted = () => hasEvent || (connectedAt >= startedAt && Date.now() - connectedAt > ACCEPTED_AFTER);
        const restart = () => {
          if (isClosed) return;
          failures = isAccepted() ? 0 : failures + 1;
          timer = setTimeout(start, backoff(failures));
        };
        unsubscribe = operations.subscribe<Record<string, unknown>>(operation, {
          next({ data, errors }: Response) {
            if (data && !errors) {
              hasEvent = true;
              sink.next({ data });
            }
            // The error rejects a new subscription. Later, it replaces an event.
            else if (isAccepted()) emit('missed');
          },
          error() {
            if (!isClosed) emit('disconnected');
            restart();
          },
          // graphql-ws has closed the connection, so the next one sends a current token.
          complete: restart,
        });
      };
      start();
      return () => {
        isClosed = true;
        clearTimeout(timer);
        unsubscribe?.();
      };
    });

  return {
    subscribe,
    watch(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}

function connectTo(url: string, auth: Auth, onConnected: () => void): Client {
  const address = new URL(url, location.href);
  address.protocol = address.protocol === 'https:' ? 'wss:' : 'ws:';
  let pong: ReturnType<typeof setTimeout> | undefined;
  const client = createClient({
    url: address.href,
    // A function, so that each connection sends a current token.
    connectionParams: async () => ({ Authorization: `Bearer ${await auth.token()}` }),
    connectionAckWaitTimeout: PONG_WITHIN,
    keepAlive: PING_EVERY,
    // `subscribe` above retries instead, also after errors that graphql-ws does not retry.
    retryAttempts: 0,
    on: {
      connected: onConnected,
      // A broken connection may stay open in the browser for minutes. Close it when a pong is missing.
      ping(isReceived) {
        if (!isReceived) pong = setTimeout(() => client.terminate(), PONG_WITHIN);
      },
      pong(isReceived) {
        if (isReceived) clearTimeout(pong);
      },
      closed: () => clearTimeout(pong),
    },
  });
  return client;
}

/** Exponential backoff from 1 s, with jitter, so that pages do not all reconnect at the same time. */
function backoff(failures: number): number {
  const longest = Math.min(1000 * 2 ** failures, LONGEST_WAIT);
  return longest * (0.5 + Math.random() / 2);
}
