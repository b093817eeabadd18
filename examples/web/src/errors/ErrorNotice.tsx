import './ErrorNotice.css';

import { type ReactNode, useEffect, useRef } from 'react';

import { SignInButton } from '../auth/SignInButton';
import type { GatewayError, WriteOutcome } from '../gateway/GatewayError';
import { adviceFor } from './advice';
import { type Approval, ApprovalCode, Justification } from './Approval';
import { SupportDetails } from './SupportDetails';
import { useCountdown } from './useCountdown';

/** What is known about a write. For `OUTCOME_UNKNOWN` and `APPROVAL_REQUIRED`, the advice has this text. */
const OUTCOMES: Record<WriteOutcome, string> = {
  NOT_SENT: 'Nothing was added.',
  REJECTED: 'Nothing was added.',
  APPLIED: 'The status was added, but could not be read. Reload the list to see it.',
  UNKNOWN: 'The status may have been added. Trying again does not add it twice.',
};

interface Props {
  error: GatewayError;
  isBusy?: boolean;
  onRetry: () => void;
  /** The label of the button that tries again. */
  retryLabel?: string;
  /** Sends the form's values under a new idempotency key. */
  onStartOver?: () => void;
  /** Sends a write again, for which a second administrator's approval is needed. */
  onApproval?: (approval: Approval) => void;
  /** The code of the last request for approval. */
  approvalCode?: string;
  /** Further buttons. */
  children?: ReactNode;
}

/** An error for users: what happened, what is known, and what to do. */
export function ErrorNotice({
  error,
  isBusy = false,
  onRetry,
  retryLabel = 'Try again',
  onStartOver,
  onApproval,
  approvalCode,
  children,
}: Props) {
  const { title, cause, action, remedy, quotesGateway } = adviceFor(error);
  const permissions = error.requiredPermissions;
  const saysOutcome = error.code === 'OUTCOME_UNKNOWN' || error.code === 'APPROVAL_REQUIRED';
  const outcome = error.outcome && !saysOutcome ? OUTCOMES[error.outcome] : undefined;
  const hasCode = remedy === 'await approval' || (remedy === 'ask for approval' && approvalCode !== undefined);
  const secondsLeft = useCountdown(error.retryAt);
  const isWaiting = secondsLeft > 0;
  const notice = useRef<HTMLDivElement>(null);

  // Move the focus here after a failed write, whose button may be gone. A list that fails must not take the focus.
  const isWrite = error.outcome !== undefined;
  useEffect(() => {
    if (isWrite) notice.current?.focus();
  }, [error, isWrite]);

  return (
    <div className="notice" role="alert" data-code={error.code} ref={notice} tabIndex={-1}>
      <h3>{title}</h3>
      {quotesGateway && permissions.length === 0 ? (
        <>
          <p>{cause}</p>
          <p className="notice-quote">{error.message}</p>
          <p>
            {outcome} {action}
          </p>
        </>
      ) : (
        <p>
          {cause} {outcome} {action}
        </p>
      )}
      {permissions.length > 0 && (
        <>
          <p>This app needs one of these permissions:</p>
          <ul className="notice-permissions">
            {permissions.map((permission) => (
              <li key={permission}>
                <code>{permission}</code>
              </li>
            ))}
          </ul>
        </>
      )}
      {onApproval && hasCode && <ApprovalCode code={approvalCode} isBusy={isBusy} onSend={onApproval} />}
      {onApproval && remedy === 'ask for approval' && <Justification isBusy={isBusy} onSend={onApproval} />}
      <div className="actions">
        {remedy === 'sign in' && <SignInButton claims={error.claims} onSignedIn={onRetry} />}
        {remedy === 'try again' && (
          <button type="button" className="primary" disabled={isWaiting || isBusy} onClick={onRetry}>
            {retryLabel}
          </button>
        )}
        {/* Announced when it ends, not each second. */}
        <p role="timer" aria-live="off" hidden={!isWaiting}>
          Try again in <strong>{secondsLeft} s</strong>
        </p>
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
