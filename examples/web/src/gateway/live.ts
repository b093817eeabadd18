import { type Client, createClient, type SubscribePayload } from 'graphql-ws';
import { type GraphQLResponse, Observable, type SubscribeFunction } from 'relay-runtime';

import type { Auth } from '../auth/auth';

/** How often the gateway is asked for a sign of life, and how long it may take to give one. In milliseconds. */
const PING_EVERY = 20_000;
const PONG_WITHIN = 10_000;
/** The longest wait before the next attempt to connect, in milliseconds. */
const LONGEST_WAIT = 30_000;
/** A subscription that lasts this long, in milliseconds, was accepted: Graph let the token read the configuration. */
const ACCEPTED_AFTER = 5_000;

/**
 * - `connected`: the gateway has acknowledged the connection.
 * - `disconnected`: the connection was lost, or could not be opened.
 * - `missed`: something was added, and the gateway could not say what. The token may have expired, for example.
 */
export type LiveEvent = 'connected' | 'disconnected' | 'missed';

/** Subscriptions over a WebSocket, and the state of its connection. */
export interface Live {
  /** Never ends by itself: a subscription that is lost or refused is started again, with a current token. */
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

  const subscribe: SubscribeFunction = ({ name, text }, variables) =>
    Observable.create<GraphQLResponse>((sink) => {
      // Old or locked-down browsers have no WebSocket. The page works without.
      if (typeof WebSocket === 'undefined') return undefined;
      client ??= connectTo(url, auth, () => emit('connected'));
      const operations = client;
      const operation: SubscribePayload = { operationName: name, query: text ?? '', variables };
      let failures = 0;
      let timer: ReturnType<typeof setTimeout> | undefined;
      let unsubscribe: (() => void) | undefined;
      let isClosed = false;

      const start = () => {
        const startedAt = Date.now();
        const isAccepted = () => Date.now() - startedAt > ACCEPTED_AFTER;
        const restart = () => {
          if (isClosed) return;
          failures = isAccepted() ? 0 : failures + 1;
          timer = setTimeout(start, backoff(failures));
        };
        unsubscribe = operations.subscribe<Record<string, unknown>>(operation, {
          next({ data, errors }: Response) {
            if (data && !errors) sink.next({ data });
            // Before the subscription is accepted, an error refuses it. After that, it comes in place of an event.
            else if (isAccepted()) emit('missed');
          },
          error() {
            if (!isClosed) emit('disconnected');
            restart();
          },
          // By now graphql-ws has closed the connection, so that the next one sends a current token.
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
    // A function, so that each connection sends the token of that moment.
    connectionParams: async () => ({ Authorization: `Bearer ${await auth.token()}` }),
    connectionAckWaitTimeout: PONG_WITHIN,
    keepAlive: PING_EVERY,
    // `subscribe` starts again by itself, also after errors that graphql-ws takes for final.
    retryAttempts: 0,
    on: {
      connected: onConnected,
      // A connection that broke without a word is closed here, and opened again.
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

/** Doubles with each failure from one second, and varies, so that not all pages come back at the same moment. */
function backoff(failures: number): number {
  const longest = Math.min(1000 * 2 ** failures, LONGEST_WAIT);
  return longest * (0.5 + Math.random() / 2);
}
