import { useDeferredValue, useReducer } from 'react';
import { commitLocalUpdate, useRelayEnvironment } from 'react-relay';

/**
 * A query's `fetchKey`, and `reload` to have everything asked for again. The version lags behind while the answer is on
 * its way, so that what was there before stays on the page.
 */
export function useVersion() {
  const environment = useRelayEnvironment();
  const [newest, next] = useReducer((count: number) => count + 1, 0);
  const version = useDeferredValue(newest);
  const reload = () => {
    commitLocalUpdate(environment, (store) => store.invalidateStore());
    next();
  };
  return { version, isStale: version !== newest, reload };
}
