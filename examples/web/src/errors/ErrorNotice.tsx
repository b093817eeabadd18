import './ErrorNotice.css';

import { type ReactNode, useEffect, useRef } from 'react';

import { SignInButton } from '../auth/SignInButton';
import type { GatewayError, WriteOutcome } from '../gateway/GatewayError';
import { adviceFor } from './advice';
import { SupportDetails } from './SupportDetails';
import { useCountdown } from './useCountdown';

/** What is known of whether a write happened, in words. `UNKNOWN` is said by the advice where that is what the code means. */
const OUTCOMES: Record<WriteOutcome, string> = {
  NOT_SENT: 'Nothing was added.',
  REJECTED: 'Nothing was added.',
  APPLIED: 'It was added, but cannot be shown: look for it in the list.',
  UNKNOWN: 'It may have been added all the same. Trying again does not add it twice.',
};

interface Props {
  error: GatewayError;
  isBusy?: boolean;
  onRetry: () => void;
  /** What "try again" is called here. */
  retryLabel?: string;
  /** Sends what the form holds under a new key. */
  onStartOver?: () => void;
  /** Further things to do. */
  children?: ReactNode;
}

/** An error as a user wants to see it: what it means, what was done, and what to do now. */
export function ErrorNotice({ error, isBusy = false, onRetry, retryLabel = 'Try again', onStartOver, children }: Props) {
  const { title, text, remedy, quotesGateway } = adviceFor(error.code);
  const outcome = error.outcome && error.code !== 'OUTCOME_UNKNOWN' ? OUTCOMES[error.outcome] : undefined;
  const secondsLeft = useCountdown(error.retryAt);
  const isWaiting = secondsLeft > 0;
  const notice = useRef<HTMLDivElement>(null);

  // Where the keyboard was may be gone, or be the very button that failed. A list that fails takes nobody's focus away.
  const isWrite = error.outcome !== undefined;
  useEffect(() => {
    if (isWrite) notice.current?.focus();
  }, [error, isWrite]);

  return (
    <div className="notice" role="alert" data-code={error.code} ref={notice} tabIndex={-1}>
      <h3>{title}</h3>
      <p>
        {text} {outcome}
      </p>
      {quotesGateway && <p className="notice-quote">{error.message}</p>}
      {/* Read out when it ends, not each second. */}
      <p role="timer" aria-live="off" hidden={!isWaiting}>
        Try again in <strong>{secondsLeft} s</strong>
      </p>
      <div className="actions">
        {remedy === 'sign in' && <SignInButton claims={error.claims} onSignedIn={onRetry} />}
        {remedy === 'try again' && (
          <button type="button" className="primary" disabled={isWaiting || isBusy} onClick={onRetry}>
            {retryLabel}
          </button>
        )}
        {remedy === 'start over' && onStartOver && (
          <button type="button" className="primary" onClick={onStartOver}>
            Send as a new status
          </button>
        )}
        {remedy === 'reload page' && (
          <button type="button" className="primary" onClick={() => location.reload()}>
            Reload the page
          </button>
        )}
        {children}
      </div>
      <p className="visually-hidden" role="status">
        {error.retryAt !== undefined && !isWaiting && 'You can try again now.'}
      </p>
      <SupportDetails error={error} />
    </div>
  );
}
