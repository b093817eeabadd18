import './SupportDetails.css';

import { useRef, useState } from 'react';

import type { GatewayError } from '../gateway/GatewayError';

/** The ids for Microsoft's support, if Microsoft Graph was called. */
export function SupportDetails({ error: { code, message, graph } }: { error: GatewayError }) {
  if (!graph) return null;
  return (
    <details className="support">
      <summary>For support</summary>
      <dl>
        <Detail name="Error code">{code}</Detail>
        <Detail name="Message">{message}</Detail>
        <Detail name="Graph status">{[graph.status, graph.code].filter(Boolean).join(' ')}</Detail>
        <Detail name="Request ID">{graph.requestId}</Detail>
        {graph.clientRequestId && <ClientRequestId text={graph.clientRequestId} />}
      </dl>
    </details>
  );
}

function Detail({ name, children }: { name: string; children: string | null | undefined }) {
  return (
    children && (
      <div>
        <dt>{name}</dt>
        <dd>{children}</dd>
      </div>
    )
  );
}

/** The id that the gateway sent with its request to Graph, with a button that copies it. */
function ClientRequestId({ text }: { text: string }) {
  const value = useRef<HTMLElement>(null);
  const [result, setResult] = useState('');

  const copy = async () => {
    try {
      await navigator.clipboard.writeText(text);
      setResult('Copied');
    } catch {
      // Browsers offer the clipboard on secure pages only, and users can block it.
      if (value.current) getSelection()?.selectAllChildren(value.current);
      setResult('Selected: press Ctrl+C to copy');
    }
  };

  return (
    <div>
      <dt>Client request ID</dt>
      <dd>
        <span ref={value}>{text}</span>
        <button type="button" aria-label="Copy client request ID" onClick={copy}>
          Copy
        </button>
        <span role="status">{result}</span>
      </dd>
    </div>
  );
}
