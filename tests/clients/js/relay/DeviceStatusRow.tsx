// One device status, with buttons that change it, delete it, and read it again by its global id.
import { graphql, useMutation, useRefetchableFragment } from "react-relay";
import { LastReported } from "./LastReported";
import type { DeviceStatusRowDeleteMutation } from "./__generated__/DeviceStatusRowDeleteMutation.graphql";
import type { DeviceStatusRowQuery } from "./__generated__/DeviceStatusRowQuery.graphql";
import type { DeviceStatusRowUpdateMutation } from "./__generated__/DeviceStatusRowUpdateMutation.graphql";
import type { DeviceStatusRow_status$key } from "./__generated__/DeviceStatusRow_status.graphql";

type Props = {
  status: DeviceStatusRow_status$key;
  connections: string[];
};

export function DeviceStatusRow({ status, connections }: Props) {
  const [{ id, ...data }, refetch] = useRefetchableFragment<DeviceStatusRowQuery, DeviceStatusRow_status$key>(
    graphql`
      fragment DeviceStatusRow_status on DeviceStatus @refetchable(queryName: "DeviceStatusRowQuery") {
        id
        deviceDisplayName
        status
        ...LastReported_status
      }
    `,
    status,
  );
  const [update] = useMutation<DeviceStatusRowUpdateMutation>(graphql`
    mutation DeviceStatusRowUpdateMutation($input: UpdateDeviceStatusInput!) {
      updateDeviceStatus(input: $input) {
        deviceStatus {
          ...DeviceStatusRow_status
        }
      }
    }
  `);
  const [remove] = useMutation<DeviceStatusRowDeleteMutation>(graphql`
    mutation DeviceStatusRowDeleteMutation($input: DeleteDeviceStatusInput!, $connections: [ID!]!) {
      deleteDeviceStatus(input: $input) {
        deletedId @deleteEdge(connections: $connections)
      }
    }
  `);
  return (
    <li id={id}>
      <b>{data.deviceDisplayName}</b> <i>{data.status}</i> <LastReported status={data} />
      <button onClick={() => update({ variables: { input: { id, deviceStatus: { status: "ERROR" } } } })}>Fail</button>
      <button onClick={() => remove({ variables: { connections, input: { id } } })}>Delete</button>
      <button onClick={() => refetch({}, { fetchPolicy: "network-only" })}>Refresh</button>
    </li>
  );
}
