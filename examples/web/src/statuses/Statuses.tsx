import './Statuses.css';

import { useDeferredValue, useState } from 'react';

import { Region } from '../errors/Region';
import { useVersion } from '../gateway/useVersion';
import { AddStatus } from './AddStatus';
import { StatusFilter } from './StatusFilter';
import { StatusTable } from './StatusTable';
import type { View } from './view';

interface Props {
  configuration: string;
  view: View;
  onView: (view: View) => void;
}

/** A configuration's device statuses: a form to add one, a filter, and a page of them. */
export function Statuses({ configuration, view, onView }: Props) {
  const [isAdding, setIsAdding] = useState(false);
  // The list that is on the page. The form learns it from the table, and stands beside it rather than inside: a list
  // that cannot be read must not take what was typed along with it.
  const [list, setList] = useState<string>();
  const shown = useDeferredValue(view);
  const { version, isStale, reload } = useVersion();

  return (
    <section className="card statuses" aria-labelledby="statuses">
      <header>
        <h2 id="statuses">Device statuses</h2>
        <button type="button" onClick={reload}>
          Reload
        </button>
        <button
          type="button"
          className="primary"
          aria-expanded={isAdding}
          aria-controls="add-status"
          onClick={() => setIsAdding(!isAdding)}
        >
          {isAdding ? 'Close form' : 'Add a status'}
        </button>
      </header>
      <div id="add-status" hidden={!isAdding}>
        <AddStatus configuration={configuration} list={list} view={view} onLookInList={reload} />
      </div>
      <StatusFilter view={view} onView={onView} />
      <Region
        subject={JSON.stringify([shown, version])}
        isStale={isStale || shown !== view}
        onRetry={reload}
        placeholder={<p className="placeholder">Loading statuses…</p>}
      >
        <StatusTable configuration={configuration} view={shown} version={version} onView={onView} onShown={setList} />
      </Region>
    </section>
  );
}
