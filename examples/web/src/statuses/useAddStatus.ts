import { useRef, useState } from 'react';
import { graphql, useMutation } from 'react-relay';
import type { RecordSourceSelectorProxy } from 'relay-runtime';

import { GatewayError } from '../gateway/GatewayError';
import type { AddDeviceStatusInput, AddStatusMutation } from './__generated__/AddStatusMutation.graphql';
import type { NewsEvent } from './news';
import { pendingId, pendingNode } from './pending';
import { includes, type View } from './view';

export type DeviceStatusInput = AddDeviceStatusInput['deviceStatus'];

/** How far the form's content has come. */
export type Progress =
  | { is: 'edited' }
  | { is: 'sent' }
  | { is: 'failed'; error: GatewayError }
  | { is: 'added'; name: string; isListed: boolean };

/** What was sent, and the key that it goes under however often it is sent. */
interface Submission {
  key: string;
  graphId: string;
  deviceStatus: DeviceStatusInput;
}

interface Options {
  configuration: string;
  /** The store's id of the list on the page. */
  list: string | undefined;
  view: View;
  onNews: (event: NewsEvent) => void;
}

/**
 * Adds a status so that it is there once. Content keeps its idempotency key until it was added or changed: a repeat
 * after a lost answer, a wait or a sign-in is the same call to the gateway, and creates nothing twice.
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
    const { key, graphId, deviceStatus } = submission;
    const listed = list !== undefined && includes(view, deviceStatus) ? list : undefined;
    const fail = (error: GatewayError) => {
      onNews({ type: 'settled', id: undefined });
      setProgress({ is: 'failed', error });
    };

    last.current = submission;
    setProgress({ is: 'sent' });
    onNews({ type: 'sending' });
    commit({
      variables: {
        input: { configurationId: configuration, idempotencyKey: key, deviceStatus: { ...deviceStatus, graphId } },
      },
      optimisticResponse: {
        addDeviceStatus: {
          deviceStatusId: pendingId(key),
          deviceStatusEdge: { node: pendingNode(key, deviceStatus) },
        },
      },
      optimisticUpdater: (store) => prepend(store, listed),
      updater: (store, response) => {
        // Other lists and pages that were read before may have it too.
        if (response?.addDeviceStatus) store.invalidateStore();
        prepend(store, listed);
      },
      onCompleted: (response, errors) => {
        // Where there is a payload it was added, even if an error says that something of it could not be read.
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
      // With a key of the caller's own, the gateway can look whether a lost create happened, where Graph keeps it.
      send(isSame && last.current ? last.current : { key: crypto.randomUUID(), graphId: crypto.randomUUID(), deviceStatus });
    },
    /** The very same again. */
    repeat() {
      if (last.current) send(last.current);
    },
    /** What is sent next is another status, whatever became of the last. */
    startOver() {
      last.current = undefined;
      setProgress({ is: 'edited' });
    },
  };
}

/**
 * Puts the new status first in the list, where it is not in it yet. Relay's `@prependEdge` does this for lists that grow
 * (`@connection`); ours are pages.
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
