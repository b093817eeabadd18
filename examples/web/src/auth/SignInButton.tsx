import { useState } from 'react';

import { useAuth } from './AuthContext';

interface Props {
  /** What the token must carry, where Graph demanded it. */
  claims?: string | undefined;
  onSignedIn?: () => void;
}

export function SignInButton({ claims, onSignedIn }: Props) {
  const { kind, account, signIn } = useAuth();
  const [underWay, setUnderWay] = useState(0);
  const [problem, setProblem] = useState<string>();

  let label = account ? 'Sign in again' : 'Sign in';
  // Nobody can be asked for another token; it may be good again.
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
      {/* Never disabled: whoever closed the window, which nobody tells us of, opens another. */}
      <button type="button" className="primary" onClick={start}>
        {label}
      </button>
      {underWay > 0 && kind === 'entra' && <p role="status">Go on in the sign-in window. If it is gone, press the button again.</p>}
      {problem && <p role="alert">{problem}</p>}
    </>
  );
}

/** MSAL's codes for what a user does or can mend; its own words for the rest. */
function describe(error: unknown): string | undefined {
  const code = error instanceof Error && 'errorCode' in error ? error.errorCode : undefined;
  // Another window took this one's place.
  if (code === 'interaction_in_progress_cancelled') return undefined;
  if (code === 'popup_window_error' || code === 'empty_window_error') {
    return 'The browser blocked the sign-in window: allow pop-ups for this page.';
  }
  return error instanceof Error ? error.message : String(error);
}
