import type { ErrorCode } from '../gateway/GatewayError';

/** What a user can do about an error. */
export type Remedy = 'sign in' | 'try again' | 'start over' | 'reload page' | 'mend the form';

export interface Advice {
  title: string;
  text: string;
  remedy: Remedy;
  /** Whether the gateway's own message tells the user something that the text cannot. */
  quotesGateway?: boolean;
}

const OUT_OF_STEP: Advice = {
  title: 'This page and its gateway do not fit together',
  text: 'One of them was probably updated. Reload the page; if that does not help, tell whoever runs it.',
  remedy: 'reload page',
};

const BY_CODE: Record<ErrorCode | 'NO_ANSWER', Advice> = {
  UNAUTHENTICATED: {
    title: 'Sign in again',
    text: 'Your sign-in has ended, or Microsoft asks for it once more.',
    remedy: 'sign in',
  },
  FORBIDDEN: {
    title: 'You have no permission for this',
    text: 'Ask an Intune administrator for access, then try again.',
    remedy: 'try again',
    quotesGateway: true,
  },
  NOT_FOUND: {
    title: 'It is not there',
    text: 'It was deleted meanwhile, or you may not see it.',
    remedy: 'try again',
  },
  BAD_USER_INPUT: {
    title: 'Something in it is not accepted',
    text: 'Change what is named here, and send it again.',
    remedy: 'mend the form',
    quotesGateway: true,
  },
  CONFLICT: {
    title: 'It clashes with what is there',
    text: 'Somebody else changed it meanwhile, or there is already such a one. Look at the list, then try again.',
    remedy: 'try again',
    quotesGateway: true,
  },
  IDEMPOTENCY_KEY_REUSED: {
    title: 'This form was sent before with other content',
    text: 'Look in the list for what the first one added. What the form holds now can be sent as a new status.',
    remedy: 'start over',
  },
  THROTTLED: {
    title: 'Slow down',
    text: 'Microsoft Graph had too many requests, and asks to wait.',
    remedy: 'try again',
  },
  OVERLOADED: {
    title: 'The gateway is busy',
    text: 'Too much is going on at once. It will have room again in a moment.',
    remedy: 'try again',
  },
  UPSTREAM_UNAVAILABLE: {
    title: 'Microsoft Graph cannot be reached',
    text: 'It is not available at present.',
    remedy: 'try again',
  },
  UPSTREAM_TIMEOUT: {
    title: 'Microsoft Graph took too long',
    text: 'No answer came in time.',
    remedy: 'try again',
  },
  UPSTREAM_ERROR: {
    title: 'Microsoft Graph failed',
    text: 'Its answer could not be used. This often passes.',
    remedy: 'try again',
  },
  UPSTREAM_NOT_SUPPORTED: {
    title: 'Not available in this tenant',
    text: 'Microsoft Graph has no such operation here: Intune may work these statuses out by itself, from what devices report.',
    remedy: 'try again',
  },
  STATE_UNAVAILABLE: {
    title: 'The gateway cannot take new entries',
    text: 'It has no room to remember what was sent, and so sends nothing.',
    remedy: 'try again',
  },
  OUTCOME_UNKNOWN: {
    title: 'It may have been added',
    text:
      'It was sent, and the answer was lost. Trying again is safe: it goes under the same key, and is not added twice. ' +
      'If it stays unknown, look for it in the list before you send it as a new one.',
    remedy: 'try again',
  },
  NO_ANSWER: {
    title: 'The gateway cannot be reached',
    text: 'No answer of it came. Check your connection.',
    remedy: 'try again',
  },
  INTERNAL_SERVER_ERROR: {
    title: 'The gateway failed',
    text: 'Something went wrong inside. Try again later; if it stays, tell whoever runs it.',
    remedy: 'try again',
  },
  QUERY_TOO_LARGE: {
    title: 'Too much at once',
    text: 'The gateway refuses to do this much in one go. Narrow the list, or shorten what the form holds.',
    remedy: 'mend the form',
  },
  BAD_REQUEST: OUT_OF_STEP,
  GRAPHQL_PARSE_FAILED: OUT_OF_STEP,
  GRAPHQL_VALIDATION_FAILED: OUT_OF_STEP,
  INTROSPECTION_DISABLED: OUT_OF_STEP,
  PERSISTED_QUERY_NOT_FOUND: OUT_OF_STEP,
  PERSISTED_QUERY_NOT_SUPPORTED: OUT_OF_STEP,
};

/** For codes that are newer than this page, and for what is no answer of the gateway's at all. */
const OTHERWISE: Advice = {
  title: 'Something went wrong',
  text: 'Try again; if it stays, tell whoever runs this page.',
  remedy: 'try again',
  quotesGateway: true,
};

export function adviceFor(code: string): Advice {
  return isKnown(code) ? BY_CODE[code] : OTHERWISE;
}

function isKnown(code: string): code is keyof typeof BY_CODE {
  return Object.hasOwn(BY_CODE, code);
}
