import { useEffect, useReducer } from 'react';
import { graphql, useRelayEnvironment } from 'react-relay';
import { requestSubscription } from 'relay-runtime';

import { useLive } from '../gateway/LiveContext';
import type { useNewsSubscription } from './__generated__/useNewsSubscription.graphql';
import { NO_NEWS, reduceNews } from './news';

/** How long a connection is lost before the page mentions it, in milliseconds. */
const LOST_AFTER = 30_000;

/** Subscribes to new statuses of a configuration. Their rows are read only when the user selects Show. */
export function useNews(configuration: string) {
  const environment = useRelayEnvironment();
  const live = useLive();
  const [news, dispatch] = useReducer(reduceNews, NO_NEWS);

  useEffect(() => {
    const unwatch = live.watch((type) => dispatch({ type }));
    const subscription = requestSubscription<useNewsSubscription>(environment, {
      subscription: graphql`
        subscription useNewsSubscription($configuration: ID!) {
          deviceStatusAdded(configurationId: $configuration) {
            deviceStatusId
          }
        }
      `,
      variables: { configuration },
      onNext: (data) => {
        if (data?.deviceStatusAdded) dispatch({ type: 'added', id: data.deviceStatusAdded.deviceStatusId });
      },
    });
    return () => {
      subscription.dispose();
      unwatch();
    };
  }, [environment, live, configuration]);

  const isClosed = news.connection === 'closed';
  useEffect(() => {
    if (!isClosed) return undefined;
    const timer = setTimeout(() => dispatch({ type: 'lost' }), LOST_AFTER);
    return () => clearTimeout(timer);
  }, [isClosed]);

  return [news, dispatch] as const;
}
