import { useEffect, useState } from 'react';

/** Seconds until `until` (in milliseconds, as `Date.now()` counts); 0 when it has passed or is undefined. */
export function useCountdown(until: number | undefined): number {
  const [now, setNow] = useState(Date.now);
  const left = until === undefined ? 0 : Math.max(0, Math.ceil((until - now) / 1000));
  const isRunning = left > 0;

  useEffect(() => {
    if (!isRunning) return undefined;
    // More often than once per second, so that no second is skipped.
    const timer = setInterval(() => setNow(Date.now()), 250);
    return () => clearInterval(timer);
  }, [isRunning]);

  return left;
}
