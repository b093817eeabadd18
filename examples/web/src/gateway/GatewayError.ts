import { graphql } from 'react-relay';

import { claimsOf } from '../auth/challenge';
import type {
  ErrorCode as SchemaErrorCode,
  WriteOutcome as SchemaWriteOutcome,
} from './__generated__/GatewayError_error.graphql';

// No query uses this fragment. It makes the compiler generate the types of the schema's codes, so that a code without
// an entry in errors/advice.ts does not compile.
graphql`
  fragment GatewayError_error on OperationError {
    code
    outcome
  }
`;

/** The error codes and write outcomes of the schema. */
export type ErrorCode = Exclude<SchemaErrorCode, '%future added value'>;
export type WriteOutcome = Exclude<SchemaWriteOutcome, '%future added value'>;

/** An error of a GraphQL response. */
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
    /** What the caller lacks. */
    reason?: string | null;
    requiredPermissions?: readonly string[] | null;
    approvalCode?: string | null;
    graph?: GraphDetail | null;
  };
}

/** The response of Microsoft Graph, for Microsoft's support. Without a response, there is no status. */
interface GraphDetail {
  status?: number | null;
  code?: string | null;
  requestId?: string | null;
  clientRequestId?: string | null;
}

/** An error of the gateway, or a missing response. */
export class GatewayError extends Error {
  override name = 'GatewayError';
  /** A code of the schema, `NO_ANSWER`, or a code that is newer than this page. */
  readonly code: string;
  /** What is known about a failed write. */
  readonly outcome: WriteOutcome | undefined;
  /** The earliest time of a retry, in milliseconds as `Date.now()` counts. */
  readonly retryAt: number | undefined;
  /** The claims that Graph demands of the next token. */
  readonly claims: string | undefined;
  /** What the caller of a forbidden request lacks, for example `APPROVAL`. */
  readonly reason: string | undefined;
  /** The code of an open request for approval. */
  readonly approvalCode: string | undefined;
  /** The permissions of which this app needs one. Empty if Graph named none. */
  readonly requiredPermissions: readonly string[];
  readonly graph: GraphDetail | undefined;

  constructor({ message, extensions = {} }: AnsweredError, claims?: string) {
    super(message);
    this.code = extensions.code ?? 'NO_ANSWER';
    this.outcome = extensions.outcome ?? undefined;
    this.retryAt = extensions.retryAt;
    this.claims = claims ?? claimsOf(extensions.wwwAuthenticate ?? undefined);
    this.reason = extensions.reason ?? undefined;
    this.approvalCode = extensions.approvalCode ?? undefined;
    this.requiredPermissions = extensions.requiredPermissions ?? [];
    this.graph = extensions.graph ?? undefined;
  }

  /** No usable response arrived. The gateway may have carried out a write. */
  static noAnswer(isWrite: boolean): GatewayError {
    const outcome = isWrite ? 'UNKNOWN' : undefined;
    return new GatewayError({ message: 'The gateway did not respond.', extensions: { code: 'NO_ANSWER', outcome } });
  }

  /** No token is available. */
  static signedOut(claims?: string): GatewayError {
    const extensions = { code: 'UNAUTHENTICATED', outcome: 'NOT_SENT' } as const;
    return new GatewayError({ message: 'Nobody is signed in.', extensions }, claims);
  }

  /** Wraps any thrown value. */
  static from(thrown: unknown): GatewayError {
    if (thrown instanceof GatewayError) return thrown;
    const message = thrown instanceof Error ? thrown.message : String(thrown);
    return new GatewayError({ message, extensions: { code: 'UNEXPECTED' } });
  }
}
