import { useState } from 'react';

import { useAuth } from './AuthContext';

interface Props {
  /** The claims that Graph demands of the next token. */
  claims?: string | undefined;
  onSignedIn?: () => void;
}

export function SignInButton({ claims, onSignedIn }: Props) {
  const { kind, account, signIn } = useAuth();
  const [underWay, setUnderWay] = useState(0);
  const [problem, setProblem] = useState<string>();

  let label = account ? 'Sign in again' : 'Sign in';
  // There is no other token to get, so the same one is tried again.
  if (kind === 'fixed') label = 'Try again';

  const start = async () => {
    setUnderWay((count) => count + 1);
    setProblem(undefined);
    try {
      await signIn(claims);
      onSignedIn?.();
    } catch (error) {
      setProblem(describe(error));
    } finally {
      setUnderWay((count) => count - 1);
    }
  };

  return (
    <>
      {/* Never disabled: a user may close the window, which the page cannot detect, and open another. */}
      <button type="button" className="primary" onClick={start}>
        {label}
      </button>
      {underWay > 0 && kind === 'entra' && <p role="status">Continue in the sign-in window. If you closed it, select the button again.</p>}
      {problem && <p role="alert">{problem}</p>}
    </>
  );
}

/** A text for the errors of MSAL that a user can resolve, and MSAL's own message for others. */
function describe(error: unknown): string | undefined {
  const code = error instanceof Error && 'errorCode' in error ? error.errorCode : undefined;
  // The user opened another window instead.
  if (code === 'interaction_in_progress_cancelled') return undefined;
  if (code === 'popup_window_error' || code === 'empty_window_error') {
    return 'The browser blocked the sign-in window. Allow pop-ups for this page, then try again.';
  }
  return error instanceof Error ? error.message : String(error);
}
