// The page of one configuration: its device statuses, or the code of an error.
import { graphql, useLazyLoadQuery } from "react-relay";
import { DeviceStatusList } from "./DeviceStatusList";
import { codeOf } from "./environment";
import type { ConfigurationPageQuery } from "./__generated__/ConfigurationPageQuery.graphql";

export function ConfigurationPage({ id }: { id: string }) {
  const { configuration } = useLazyLoadQuery<ConfigurationPageQuery>(
    graphql`
      query ConfigurationPageQuery($id: ID!) {
        configuration: iosLobAppProvisioningConfiguration(id: $id) @catch {
          ...DeviceStatusList_configuration
        }
      }
    `,
    { id },
  );
  if (!configuration.ok) {
    return <p role="alert">{codeOf(configuration.errors[0])}</p>;
  }
  return configuration.value && <DeviceStatusList configuration={configuration.value} />;
}
