import { useRef, useState } from 'react';
import { graphql, useMutation } from 'react-relay';
import type { RecordSourceSelectorProxy } from 'relay-runtime';

import type { Approval } from '../errors/Approval';
import { GatewayError } from '../gateway/GatewayError';
import type { AddDeviceStatusInput, AddStatusMutation } from './__generated__/AddStatusMutation.graphql';
import type { NewsEvent } from './news';
import { pendingId, pendingNode } from './pending';
import { includes, type View } from './view';

export type DeviceStatusInput = AddDeviceStatusInput['deviceStatus'];

/** The state of the form. */
export type Progress =
  | { is: 'edited' }
  | { is: 'sent' }
  | { is: 'failed'; error: GatewayError; approvalCode: string | undefined }
  | { is: 'added'; name: string; isListed: boolean };

/** The values that were sent, their keys and their approval, which every retry repeats. */
interface Submission {
  key: string;
  graphId: string;
  deviceStatus: DeviceStatusInput;
  approval?: Approval;
  /** The code of the last request for an approval, which Graph returns only once. */
  approvalCode?: string;
}

interface Options {
  configuration: string;
  /** The store's id of the list on the page. */
  list: string | undefined;
  view: View;
  onNews: (event: NewsEvent) => void;
}

/**
 * Adds a status exactly once. The same values keep their idempotency key until they are added, so a retry after a lost
 * response, a wait, a sign-in or an approval creates nothing twice.
 */
export function useAddStatus({ configuration, list, view, onNews }: Options) {
  const [commit] = useMutation<AddStatusMutation>(graphql`
    mutation AddStatusMutation($input: AddDeviceStatusInput!) @raw_response_type {
      addDeviceStatus(input: $input) {
        deviceStatusId
        deviceStatusEdge {
          node {
            id
            ...StatusRow_status
            # The counts as they are now.
            configuration {
              ...StatusChart_configuration
            }
          }
        }
      }
    }
  `);
  const [progress, setProgress] = useState<Progress>({ is: 'edited' });
  const last = useRef<Submission>(undefined);

  const send = (submission: Submission) => {
    const { key, graphId, deviceStatus, approval } = submission;
    const listed = list !== undefined && includes(view, deviceStatus) ? list : undefined;
    const fail = (error: GatewayError) => {
      onNews({ type: 'settled', id: undefined });
      const approvalCode = error.approvalCode ?? submission.approvalCode;
      last.current = { ...submission, approvalCode };
      setProgress({ is: 'failed', error, approvalCode });
    };

    last.current = submission;
    setProgress({ is: 'sent' });
    onNews({ type: 'sending' });
    commit({
      variables: {
        input: {
          configurationId: configuration,
          idempotencyKey: key,
          deviceStatus: { ...deviceStatus, graphId },
          approval,
        },
      },
      optimisticResponse: {
        addDeviceStatus: {
          deviceStatusId: pendingId(key),
          deviceStatusEdge: { node: pendingNode(key, deviceStatus) },
        },
      },
      optimisticUpdater: (store) => prepend(store, listed),
      updater: (store, response) => {
        // Other lists and pages in the store may now be out of date.
        if (response?.addDeviceStatus) store.invalidateStore();
        prepend(store, listed);
      },
      onCompleted: (response, errors) => {
        // A payload means that the status was added, even if a field of it could not be read.
        if (!response.addDeviceStatus) return fail(errors?.[0] ? new GatewayError(errors[0]) : GatewayError.noAnswer(true));
        last.current = undefined;
        onNews({ type: 'settled', id: response.addDeviceStatus.deviceStatusId });
        setProgress({
          is: 'added',
          name: deviceStatus.deviceDisplayName,
          isListed: listed !== undefined && response.addDeviceStatus.deviceStatusEdge != null,
        });
      },
      onError: (error) => fail(GatewayError.from(error)),
    });
  };

  return {
    progress,
    add(deviceStatus: DeviceStatusInput) {
      const isSame = JSON.stringify(deviceStatus) === JSON.stringify(last.current?.deviceStatus);
      // With a client-supplied id, the gateway can read the status back after a lost response, if Graph honors it.
      send(isSame && last.current ? last.current : { key: crypto.randomUUID(), graphId: crypto.randomUUID(), deviceStatus });
    },
    /** Sends the last values again, with the same key. */
    repeat() {
      if (last.current) send(last.current);
    },
    /** Sends the last values again, with the same key and another approval. */
    approve(approval: Approval) {
      if (last.current) send({ ...last.current, approval });
    },
    /** Clears the last values. The next ones are sent with a new key. */
    startOver() {
      last.current = undefined;
      setProgress({ is: 'edited' });
    },
  };
}

/**
 * Inserts the new status at the start of the list, unless the list has it already. Relay's `@prependEdge` needs a
 * `@connection`, and this list shows one page at a time.
 */
function prepend(store: RecordSourceSelectorProxy, listed: string | undefined) {
  const edge = store.getRootField('addDeviceStatus')?.getLinkedRecord('deviceStatusEdge');
  const id = edge?.getLinkedRecord('node')?.getDataID();
  const list = listed === undefined ? null : store.get(listed);
  const edges = list?.getLinkedRecords('edges') ?? [];
  if (!edge || !list || edges.some((other) => other?.getLinkedRecord('node')?.getDataID() === id)) return;

  list.setLinkedRecords([edge, ...edges], 'edges');
  const total = list.getValue('totalCount');
  if (typeof total === 'number') list.setValue(total + 1, 'totalCount');
}
