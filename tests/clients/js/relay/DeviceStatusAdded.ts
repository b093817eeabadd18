// A subscription. Relay adds its events to the store like the response of a query.
import { type Environment, graphql, requestSubscription } from "relay-runtime";
import type {
  DeviceStatusAddedSubscription,
  DeviceStatusAddedSubscription$data,
} from "./__generated__/DeviceStatusAddedSubscription.graphql";

type Added = NonNullable<DeviceStatusAddedSubscription$data["deviceStatusAdded"]>;

/** Calls back for each status that is added, until the returned function is called. */
export function hear(environment: Environment, configurationId: string, tell: (added: Added) => void): () => void {
  const { dispose } = requestSubscription<DeviceStatusAddedSubscription>(environment, {
    subscription: graphql`
      subscription DeviceStatusAddedSubscription($configurationId: ID!) {
        deviceStatusAdded(configurationId: $configurationId) {
          deviceStatusId
          deviceStatus {
            id
            deviceDisplayName
          }
        }
      }
    `,
    variables: { configurationId },
    onNext: (data) => data?.deviceStatusAdded && tell(data.deviceStatusAdded),
  });
  return dispose;
}
