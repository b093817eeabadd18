// The time at which a device last reported, as Graph returns it.
import { graphql, useFragment } from "react-relay";
import type { LastReported_status$key } from "./__generated__/LastReported_status.graphql";

export function LastReported({ status }: { status: LastReported_status$key }) {
  const { lastReportedDateTime } = useFragment(
    graphql`
      fragment LastReported_status on DeviceStatus {
        lastReportedDateTime
      }
    `,
    status,
  );
  return <time>{lastReportedDateTime}</time>;
}
