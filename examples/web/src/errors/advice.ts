import type { ErrorCode, GatewayError } from '../gateway/GatewayError';

/** What a user can do about an error. */
export type Remedy = 'sign in' | 'try again' | 'start over' | 'reload page' | 'edit the form' | 'ask for approval' | 'await approval';

export interface Advice {
  title: string;
  /** What happened. */
  cause: string;
  /** What to do, unless the button or the countdown shows it. */
  action: string;
  remedy: Remedy;
  /** Whether the gateway's own message adds details that `cause` does not have. */
  quotesGateway?: boolean;
}

const MISMATCH: Advice = {
  title: 'This page and the gateway do not match',
  cause: 'One of them was probably updated.',
  action: 'Reload the page. If that does not help, contact your administrator.',
  remedy: 'reload page',
};

const BY_CODE: Record<ErrorCode | 'NO_ANSWER', Advice> = {
  UNAUTHENTICATED: {
    title: 'Sign in again',
    cause: 'Your sign-in has expired, or Microsoft requires a new one.',
    action: '',
    remedy: 'sign in',
  },
  FORBIDDEN: {
    title: 'You do not have permission',
    cause: 'Microsoft Graph refused the request for this account.',
    action: 'Ask an Intune administrator for access, then try again.',
    remedy: 'try again',
    quotesGateway: true,
  },
  NOT_FOUND: {
    title: 'Not found',
    cause: 'It was deleted, or this account has no access to it.',
    action: 'Reload the page to see what exists now, or try again.',
    remedy: 'try again',
  },
  BAD_USER_INPUT: {
    title: 'A value was not accepted',
    cause: 'The gateway or Microsoft Graph refused the request:',
    action: 'Correct the value, then try again.',
    remedy: 'edit the form',
    quotesGateway: true,
  },
  CONFLICT: {
    title: 'Conflict with existing data',
    cause: 'The status already exists, or someone else changed the data.',
    action: 'Check the list, then try again.',
    remedy: 'try again',
    quotesGateway: true,
  },
  APPROVAL_REQUIRED: {
    title: 'A second administrator has to approve this',
    cause: 'Your organization requires an approval for this change.',
    action: 'Check the list first: in rare cases, the status was added nevertheless. Then say why it is needed.',
    remedy: 'ask for approval',
  },
  APPROVAL_PENDING: {
    title: 'Waiting for approval',
    cause: 'A second administrator has to approve the change in Intune.',
    action: 'After the approval, send the status again with the code of the request, which expires after about three days.',
    remedy: 'await approval',
  },
  IDEMPOTENCY_KEY_REUSED: {
    title: 'This form was sent before with other values',
    cause: 'The earlier values may have been added.',
    action: 'Check the list. To add the current values as well, send them as a new status.',
    remedy: 'start over',
  },
  THROTTLED: {
    title: 'Too many requests',
    cause: 'Microsoft Graph limits how many requests you can send.',
    action: '',
    remedy: 'try again',
  },
  OVERLOADED: {
    title: 'The gateway is busy',
    cause: 'It has too many requests at the moment.',
    action: '',
    remedy: 'try again',
  },
  UPSTREAM_UNAVAILABLE: {
    title: 'Microsoft Graph is unavailable',
    cause: 'The gateway could not connect, or Microsoft Graph is not accepting requests.',
    action: 'Try again later.',
    remedy: 'try again',
  },
  UPSTREAM_TIMEOUT: {
    title: 'Microsoft Graph took too long',
    cause: 'No response arrived in time.',
    action: 'Try again.',
    remedy: 'try again',
  },
  UPSTREAM_ERROR: {
    title: 'Microsoft Graph failed',
    cause: 'It returned an error, or a response that could not be read. This is often temporary.',
    action: 'Try again.',
    remedy: 'try again',
  },
  UPSTREAM_NOT_SUPPORTED: {
    title: 'Not available in this tenant',
    cause:
      'Microsoft Graph does not support this operation here. Intune may compute device statuses itself, from what ' +
      'devices report.',
    action: '',
    remedy: 'try again',
  },
  STATE_UNAVAILABLE: {
    title: 'The gateway cannot accept new statuses',
    cause: 'It cannot store what protects a status from being added twice.',
    action: 'Try again later.',
    remedy: 'try again',
  },
  OUTCOME_UNKNOWN: {
    title: 'The status may have been added',
    cause: 'It was sent, but the response was lost.',
    action:
      'Trying again is safe: the status is not added twice. If the outcome stays unknown, check the list before you ' +
      'send the values as a new status.',
    remedy: 'try again',
  },
  NO_ANSWER: {
    title: 'The gateway cannot be reached',
    cause: 'No response arrived.',
    action: 'Check your network connection, then try again.',
    remedy: 'try again',
  },
  INTERNAL_SERVER_ERROR: {
    title: 'The gateway failed',
    cause: 'An internal error occurred.',
    action: 'Try again later. If it happens again, contact your administrator.',
    remedy: 'try again',
  },
  QUERY_TOO_LARGE: {
    title: 'The request is too large',
    cause: 'It exceeds a limit of the gateway.',
    action: 'Narrow the filter, or shorten the values in the form.',
    remedy: 'edit the form',
  },
  BAD_REQUEST: MISMATCH,
  GRAPHQL_PARSE_FAILED: MISMATCH,
  GRAPHQL_VALIDATION_FAILED: MISMATCH,
  INTROSPECTION_DISABLED: MISMATCH,
  PERSISTED_QUERY_NOT_FOUND: MISMATCH,
  PERSISTED_QUERY_NOT_SUPPORTED: MISMATCH,
};

/** For a code that Microsoft Graph does not accept. */
const NOT_APPROVED: Advice = {
  title: 'The approval was not accepted',
  cause: 'Microsoft Graph refused the request:',
  action: 'If it is approved by now, send it again. If it was refused or has expired, ask for another approval.',
  remedy: 'ask for approval',
  quotesGateway: true,
};

/** For codes that are newer than this page, and for errors that did not come from the gateway. */
const UNKNOWN_CODE: Advice = {
  title: 'Something went wrong',
  cause: 'This page does not know the error:',
  action: 'Try again. If it happens again, contact your administrator.',
  remedy: 'try again',
  quotesGateway: true,
};

export function adviceFor({ code, reason }: Pick<GatewayError, 'code' | 'reason'>): Advice {
  if (code === 'FORBIDDEN' && reason === 'APPROVAL') return NOT_APPROVED;
  return isKnown(code) ? BY_CODE[code] : UNKNOWN_CODE;
}

function isKnown(code: string): code is keyof typeof BY_CODE {
  return Object.hasOwn(BY_CODE, code);
}

/** Whether the same write can succeed with an approval. */
export function isAboutApproval(error: GatewayError): boolean {
  const { remedy } = adviceFor(error);
  return remedy === 'ask for approval' || remedy === 'await approval';
}
