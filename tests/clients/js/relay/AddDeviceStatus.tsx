// A button that adds a device status to a configuration and to its visible lists.
import { useState } from "react";
import { graphql, useMutation } from "react-relay";
import { codeOf, codeOfRequest } from "./environment";
import type { AddDeviceStatusMutation } from "./__generated__/AddDeviceStatusMutation.graphql";

type Props = {
  configurationId: string;
  connections: string[];
  lastReportedDateTime?: string;
};

export function AddDeviceStatus({ configurationId, connections, lastReportedDateTime = "2016-12-31T23:57:41.6559639+03:00" }: Props) {
  const [code, setCode] = useState<string>();
  const [add] = useMutation<AddDeviceStatusMutation>(graphql`
    mutation AddDeviceStatusMutation($input: AddDeviceStatusInput!, $connections: [ID!]!) {
      addDeviceStatus(input: $input) {
        deviceStatusEdge @appendEdge(connections: $connections) {
          node {
            ...DeviceStatusRow_status
          }
        }
      }
    }
  `);
  const deviceStatus = {
    deviceDisplayName: "by Relay",
    userName: "Zoë",
    deviceModel: "iPad13,8",
    platform: 8,
    status: "COMPLIANT",
    complianceGracePeriodExpirationDateTime: "9999-12-31T23:59:59.9999999Z",
    lastReportedDateTime,
    userPrincipalName: "zoe@example.com",
  } as const;
  const onClick = () =>
    add({
      variables: { connections, input: { configurationId, deviceStatus } },
      onCompleted: (_, errors) => errors?.[0] && setCode(codeOf(errors[0])),
      onError: (error) => setCode(codeOfRequest(error)),
    });
  return (
    <>
      <button onClick={onClick}>Add</button>
      {code && <p role="alert">{code}</p>}
    </>
  );
}
