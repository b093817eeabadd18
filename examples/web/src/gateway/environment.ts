import { Environment, type FetchFunction, Network, type RelayFieldLogger } from 'relay-runtime';

import type { Auth } from '../auth/auth';
import { type AnsweredError, GatewayError } from './GatewayError';
import type { Live } from './live';

/** The gateway's address. */
export const GATEWAY = import.meta.env.VITE_GRAPHQL_URL ?? '/graphql';

/** Relay's store and network. Subscriptions go over `live`, everything else by HTTP. */
export function createEnvironment(auth: Auth, live: Live): Environment {
  return new Environment({ network: Network.create(fetchWith(auth), live.subscribe), relayFieldLogger });
}

interface Answer {
  data?: Record<string, unknown> | null;
  errors?: AnsweredError[];
}

/** Sends each operation by HTTP with a current token. */
function fetchWith(auth: Auth): FetchFunction {
  return async ({ name, text, operationKind }, variables) => {
    const token = await auth.token();
    let answer: Answer;
    try {
      const response = await fetch(GATEWAY, {
        method: 'POST',
        headers: {
          Accept: 'application/graphql-response+json',
          Authorization: `Bearer ${token}`,
          'Content-Type': 'application/json',
        },
        body: JSON.stringify({ operationName: name, query: text, variables }),
      });
      answer = await response.json();
    } catch {
      throw GatewayError.noAnswer(operationKind === 'mutation');
    }
    const { data, errors = [] } = answer;
    noteArrival(errors);
    // Several queries read the same record of the store. One that failed as a whole must not set it to null for all.
    const hasData = data && (operationKind !== 'query' || Object.values(data).some((field) => field !== null));
    if (data && (hasData || errors.length === 0)) return { data, errors };
    throw errors[0] ? new GatewayError(errors[0]) : GatewayError.noAnswer(operationKind === 'mutation');
  };
}

/** Adds the time at which a retry is allowed. Relay keeps errors, so `retryAfter` alone would be read too late. */
function noteArrival(errors: readonly AnsweredError[]) {
  for (const { extensions } of errors) {
    if (extensions?.retryAfter != null) extensions.retryAt = Date.now() + extensions.retryAfter * 1000;
  }
}

/**
 * Throws the gateway's error, with its code, when a component reads a failed field under `@throwOnFieldError`. Relay
 * would throw a general error.
 */
const relayFieldLogger: RelayFieldLogger = (event) => {
  if (event.kind === 'relay_field_payload.error' && event.shouldThrow && !event.handled) {
    throw new GatewayError(event.error);
  }
};
