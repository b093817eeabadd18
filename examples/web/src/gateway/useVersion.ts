import { useDeferredValue, useReducer } from 'react';
import { commitLocalUpdate, useRelayEnvironment } from 'react-relay';

/**
 * A query's `fetchKey`, and `reload`, which fetches the query again. The version is deferred: the page shows the previous
 * content until the response arrives.
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
