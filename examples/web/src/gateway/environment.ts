import { Environment, type FetchFunction, Network, type RelayFieldLogger } from 'relay-runtime';

import type { Auth } from '../auth/auth';
import { type AnsweredError, GatewayError } from './GatewayError';

const URL = import.meta.env.VITE_GRAPHQL_URL ?? '/graphql';

/** What is known of the gateway's data, and how more is fetched. */
export function createEnvironment(auth: Auth): Environment {
  return new Environment({ network: Network.create(fetchWith(auth)), relayFieldLogger });
}

interface Answer {
  data?: Record<string, unknown> | null;
  errors?: AnsweredError[];
}

/** Sends each operation with the token of the moment. */
function fetchWith(auth: Auth): FetchFunction {
  return async ({ name, text, operationKind }, variables) => {
    const token = await auth.token();
    let answer: Answer;
    try {
      const response = await fetch(URL, {
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
    if (data) return { data, errors };
    throw errors[0] ? new GatewayError(errors[0]) : GatewayError.noAnswer(operationKind === 'mutation');
  };
}

/**
 * One failure is one null, and the rest of the answer stands: Relay keeps the error beside the field. Whoever reads it
 * under `@throwOnFieldError` gets the gateway's error, with its code, in place of Relay's general one.
 */
const relayFieldLogger: RelayFieldLogger = (event) => {
  if (event.kind === 'relay_field_payload.error' && event.shouldThrow && !event.handled) {
    throw new GatewayError(event.error);
  }
};
