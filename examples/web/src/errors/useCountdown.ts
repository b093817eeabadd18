import { useEffect, useState } from 'react';

/** Seconds left until a moment (in milliseconds, as `Date.now()` counts); 0 once it is over, or where there is none. */
export function useCountdown(until: number | undefined): number {
  const [now, setNow] = useState(Date.now);
  const left = until === undefined ? 0 : Math.max(0, Math.ceil((until - now) / 1000));
  const isRunning = left > 0;

  useEffect(() => {
    if (!isRunning) return undefined;
    // More often than each second, so that no second is skipped.
    const timer = setInterval(() => setNow(Date.now()), 250);
    return () => clearInterval(timer);
  }, [isRunning]);

  return left;
}
