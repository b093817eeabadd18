import { graphql } from 'react-relay';

import { claimsOf } from '../auth/challenge';
import type {
  ErrorCode as SchemaErrorCode,
  WriteOutcome as SchemaWriteOutcome,
} from './__generated__/GatewayError_error.graphql';

// Asked for by no query. It brings the schema's own list of codes into the types, so that a code without advice in
// errors/advice.ts does not compile.
graphql`
  fragment GatewayError_error on OperationError {
    code
    outcome
  }
`;

/** The schema's codes, and what may be known of a write. */
export type ErrorCode = Exclude<SchemaErrorCode, '%future added value'>;
export type WriteOutcome = Exclude<SchemaWriteOutcome, '%future added value'>;

/** An error as it stands in an answer. */
export interface AnsweredError {
  message: string;
  extensions?: {
    code?: string;
    outcome?: WriteOutcome | null;
    /** In seconds. */
    retryAfter?: number | null;
    /** Added on arrival, in milliseconds as `Date.now()` counts. */
    retryAt?: number;
    wwwAuthenticate?: string | null;
    graph?: GraphDetail | null;
  };
}

/** The response of Microsoft Graph: what Microsoft's support asks for. Without a response, there is no status. */
interface GraphDetail {
  status?: number | null;
  code?: string | null;
  requestId?: string | null;
  clientRequestId?: string | null;
}

/** What went wrong, as the gateway tells it; or that no answer of it came. */
export class GatewayError extends Error {
  override name = 'GatewayError';
  /** A code of the schema's, `NO_ANSWER`, or one that is newer than this page. */
  readonly code: string;
  /** What is known of whether a write happened. */
  readonly outcome: WriteOutcome | undefined;
  /** When it may be tried again, in milliseconds as `Date.now()` counts. */
  readonly retryAt: number | undefined;
  /** What the next token must carry. */
  readonly claims: string | undefined;
  readonly graph: GraphDetail | undefined;

  constructor({ message, extensions = {} }: AnsweredError, claims?: string) {
    super(message);
    this.code = extensions.code ?? 'NO_ANSWER';
    this.outcome = extensions.outcome ?? undefined;
    this.retryAt = extensions.retryAt;
    this.claims = claims ?? claimsOf(extensions.wwwAuthenticate ?? undefined);
    this.graph = extensions.graph ?? undefined;
  }

  /** Nothing that the gateway would say came back. A write may have happened all the same. */
  static noAnswer(isWrite: boolean): GatewayError {
    const outcome = isWrite ? 'UNKNOWN' : undefined;
    return new GatewayError({ message: 'The gateway gave no answer.', extensions: { code: 'NO_ANSWER', outcome } });
  }

  /** There is no token to send. */
  static signedOut(claims?: string): GatewayError {
    const extensions = { code: 'UNAUTHENTICATED', outcome: 'NOT_SENT' } as const;
    return new GatewayError({ message: 'No token is held.', extensions }, claims);
  }

  /** Whatever was thrown. */
  static from(thrown: unknown): GatewayError {
    if (thrown instanceof GatewayError) return thrown;
    const message = thrown instanceof Error ? thrown.message : String(thrown);
    return new GatewayError({ message, extensions: { code: 'UNEXPECTED' } });
  }
}
