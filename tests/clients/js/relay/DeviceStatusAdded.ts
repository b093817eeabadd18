// A subscription, which Relay's store takes in as it does a query's answer.
import { type Environment, graphql, requestSubscription } from "relay-runtime";
import type {
  DeviceStatusAddedSubscription,
  DeviceStatusAddedSubscription$data,
} from "./__generated__/DeviceStatusAddedSubscription.graphql";

type Added = NonNullable<DeviceStatusAddedSubscription$data["deviceStatusAdded"]>;

/** Tells of each status that is added, until what it gives is called. */
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
