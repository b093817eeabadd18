import './AddStatus.css';

import { type FormEvent, useEffect, useRef, useState } from 'react';

import { isAboutApproval } from '../errors/advice';
import { ErrorNotice } from '../errors/ErrorNotice';
import { useCountdown } from '../errors/useCountdown';
import { INPUT_STATUSES, isComplianceStatus, STATUS_NAMES } from './complianceStatus';
import type { NewsEvent } from './news';
import { type DeviceStatusInput, useAddStatus } from './useAddStatus';
import type { View } from './view';

interface Props {
  configuration: string;
  /** The Relay store's id of the list on the page, which receives the new status. */
  list: string | undefined;
  view: View;
  onLookInList: () => void;
  /** Receives what the form sends and adds, so that its own statuses do not count as new. */
  onNews: (event: NewsEvent) => void;
}

/** The form for a new status. It keeps its values until they are added. */
export function AddStatus({ configuration, list, view, onLookInList, onNews }: Props) {
  const { progress, add, repeat, approve, startOver } = useAddStatus({ configuration, list, view, onNews });
  const form = useRef<HTMLFormElement>(null);
  // Constant while the user edits: another value would make it another status, with another idempotency key.
  const [startedAt, setStartedAt] = useState(now);
  const isSending = progress.is === 'sent';
  const isUnknown = progress.is === 'failed' && progress.error.outcome === 'UNKNOWN';
  // While an approval is asked for, other values would need another one.
  const isHeld = progress.is === 'failed' && isAboutApproval(progress.error);
  const isLocked = isUnknown || isHeld;
  // While a retry waits, the form can be edited but not sent.
  const isWaiting = useCountdown(progress.is === 'failed' ? progress.error.retryAt : undefined) > 0;

  useEffect(() => {
    if (progress.is !== 'added') return;
    form.current?.reset();
    setStartedAt(now());
    form.current?.querySelector('input')?.focus();
  }, [progress]);

  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    add(read(new FormData(event.currentTarget)));
  };

  return (
    <form className="add" ref={form} onSubmit={submit} aria-label="Add a status">
      {/* While it is locked, the same values can be sent again, but no others. */}
      <fieldset disabled={isSending || isLocked}>
        <Field name="deviceDisplayName" label="Device name" />
        <Field name="deviceModel" label="Model" />
        <Field name="userName" label="User" />
        <Field name="userPrincipalName" label="User principal name" type="email" />
        <label>
          Status
          <select name="status">
            {INPUT_STATUSES.map((status) => (
              <option key={status} value={status}>
                {STATUS_NAMES[status]}
              </option>
            ))}
          </select>
        </label>
        <Field name="platform" label="Platform code" type="number" initial="8" />
        <Field name="lastReportedDateTime" label="Last reported" type="datetime-local" initial={startedAt} />
        <Field
          name="complianceGracePeriodExpirationDateTime"
          label="Grace period ends (optional)"
          type="datetime-local"
          isOptional
        />
      </fieldset>

      {progress.is === 'failed' && (
        <ErrorNotice
          error={progress.error}
          onRetry={isUnknown ? repeat : () => form.current?.requestSubmit()}
          retryLabel={isUnknown ? 'Try again safely' : undefined}
          onStartOver={() => {
            startOver();
            form.current?.requestSubmit();
          }}
          onApproval={approve}
          approvalCode={progress.approvalCode}
        >
          {isUnknown && (
            <button type="button" onClick={onLookInList}>
              Check the list
            </button>
          )}
          {isLocked && (
            <button type="button" onClick={startOver}>
              Edit the form
            </button>
          )}
        </ErrorNotice>
      )}

      <div className="actions">
        <button type="submit" className="primary" disabled={isSending || isLocked || isWaiting}>
          {isSending ? 'Adding…' : 'Add'}
        </button>
        <p role="status">{progress.is === 'added' && <Added {...progress} />}</p>
      </div>
    </form>
  );
}

function Added({ name, isListed }: { name: string; isListed: boolean }) {
  return (
    <>
      <strong>{name}</strong> was added.
      {!isListed && ' The list does not show it. Clear the filter, or reload the list.'}
    </>
  );
}

interface FieldProps {
  name: keyof DeviceStatusInput;
  label: string;
  type?: string;
  initial?: string;
  isOptional?: boolean;
}

function Field({ name, label, type = 'text', initial, isOptional = false }: FieldProps) {
  return (
    <label>
      {label}
      <input name={name} type={type} defaultValue={initial} required={!isOptional} autoComplete="off" />
    </label>
  );
}

/** The form's values as the mutation's input. */
function read(data: FormData): DeviceStatusInput {
  const text = (name: keyof DeviceStatusInput) => String(data.get(name)).trim();
  const instant = (local: string) => new Date(local).toISOString();
  const status = data.get('status');
  const grace = text('complianceGracePeriodExpirationDateTime');
  return {
    deviceDisplayName: text('deviceDisplayName'),
    deviceModel: text('deviceModel'),
    userName: text('userName'),
    userPrincipalName: text('userPrincipalName'),
    status: isComplianceStatus(status) ? status : 'UNKNOWN',
    platform: Number(text('platform')),
    lastReportedDateTime: instant(text('lastReportedDateTime')),
    // Intune's value for "no grace period".
    complianceGracePeriodExpirationDateTime: grace ? instant(grace) : '9999-12-31T23:59:59.9999999Z',
  };
}

/** The current minute, in the format of a `datetime-local` input. */
function now(): string {
  const date = new Date();
  date.setMinutes(date.getMinutes() - date.getTimezoneOffset());
  return date.toISOString().slice(0, 16);
}
