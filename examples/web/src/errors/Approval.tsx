import './Approval.css';

import { useState } from 'react';

/** What is sent with a write to have it approved. */
export type Approval = { justification: string } | { code: string };

/** Maximum length of a justification in UTF-8, in bytes. */
const MAX_JUSTIFICATION = 768;

interface Props {
  isBusy: boolean;
  onSend: (approval: Approval) => void;
}

/** Asks for the reason of a write, for the administrator who decides about it. */
export function Justification({ isBusy, onSend }: Props) {
  const [text, setText] = useState('');
  const left = MAX_JUSTIFICATION - new TextEncoder().encode(text).length;
  const isUsable = text.trim() !== '' && left >= 0;
  return (
    <div className="approval">
      <label>
        Justification
        <textarea rows={2} value={text} onChange={(event) => setText(event.target.value)} />
      </label>
      {left < 0 && <p role="status">The text is too long. Shorten it.</p>}
      <button
        type="button"
        className="primary"
        disabled={isBusy || !isUsable}
        onClick={() => onSend({ justification: text.trim() })}
      >
        Ask for approval
      </button>
    </div>
  );
}

/** The code of a request for approval, and the button that sends the write after the approval. */
export function ApprovalCode({ code, isBusy, onSend }: Props & { code: string | undefined }) {
  const [typed, setTyped] = useState('');
  const known = code ?? typed.trim();
  return (
    <div className="approval">
      <label>
        Approval code
        {/* Graph returns it only once. Without it, an administrator has to name it. */}
        <input value={code ?? typed} readOnly={code !== undefined} onChange={(event) => setTyped(event.target.value)} />
      </label>
      <button
        type="button"
        className="primary"
        disabled={isBusy || known === ''}
        onClick={() => onSend({ code: known })}
      >
        Send after approval
      </button>
    </div>
  );
}
