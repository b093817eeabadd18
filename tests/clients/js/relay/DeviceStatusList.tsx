// A configuration's device statuses, page by page.
import { graphql, usePaginationFragment } from "react-relay";
import { AddDeviceStatus } from "./AddDeviceStatus";
import { DeviceStatusRow } from "./DeviceStatusRow";
import type { DeviceStatusListPageQuery } from "./__generated__/DeviceStatusListPageQuery.graphql";
import type { DeviceStatusList_configuration$key } from "./__generated__/DeviceStatusList_configuration.graphql";

export function DeviceStatusList({ configuration }: { configuration: DeviceStatusList_configuration$key }) {
  const { data, hasNext, loadNext } = usePaginationFragment<DeviceStatusListPageQuery, DeviceStatusList_configuration$key>(
    graphql`
      fragment DeviceStatusList_configuration on IosLobAppProvisioningConfiguration
      @refetchable(queryName: "DeviceStatusListPageQuery")
      @argumentDefinitions(first: { type: "Int", defaultValue: 100 }, after: { type: "String" }) {
        id
        deviceStatuses(first: $first, after: $after) @connection(key: "DeviceStatusList_deviceStatuses") {
          __id
          edges {
            node {
              id
              ...DeviceStatusRow_status
            }
          }
        }
      }
    `,
    configuration,
  );
  if (!data.deviceStatuses) {
    return null;
  }
  const { __id, edges } = data.deviceStatuses;
  const connections = [__id];
  return (
    <>
      <AddDeviceStatus configurationId={data.id} connections={connections} />
      <ul>
        {edges.map(({ node }) => (
          <DeviceStatusRow key={node.id} status={node} connections={connections} />
        ))}
      </ul>
      {hasNext && <button onClick={() => loadNext(100)}>More</button>}
    </>
  );
}
