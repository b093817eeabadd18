import './Statuses.css';

import { useDeferredValue, useRef, useState } from 'react';

import { Region } from '../errors/Region';
import { useVersion } from '../gateway/useVersion';
import { AddStatus } from './AddStatus';
import { NewsNotice } from './NewsNotice';
import { StatusFilter } from './StatusFilter';
import { StatusTable } from './StatusTable';
import { useNews } from './useNews';
import { FIRST_VIEW, isFiltered, type View } from './view';

interface Props {
  configuration: string;
  view: View;
  onView: (view: View) => void;
  onReloadCounts: () => void;
}

/** A configuration's device statuses: a form to add one, a filter, and a page of them. */
export function Statuses({ configuration, view, onView, onReloadCounts }: Props) {
  const [isAdding, setIsAdding] = useState(false);
  // The Relay store's id of the list on the page. The form is outside the list's region, so that it keeps its values
  // when the list cannot be read.
  const [list, setList] = useState<string>();
  const shown = useDeferredValue(view);
  const { version, isStale, reload: reloadList } = useVersion();
  const [news, onNews] = useNews(configuration);
  const heading = useRef<HTMLHeadingElement>(null);

  // Receives the focus when the focused button disappears.
  const focusHeading = () => heading.current?.focus();
  const reload = () => {
    reloadList();
    // Without new counts, the chart would be older than the list.
    if (news.added.length > 0 || news.mayHaveMissed) onReloadCounts();
    onNews({ type: 'shown' });
  };
  const show = () => {
    reload();
    // New statuses are on the first page.
    if (view.cursors.length > 0) onView({ ...view, cursors: [] });
    focusHeading();
  };
  const clearFilter = () => {
    onView(FIRST_VIEW);
    focusHeading();
  };

  return (
    <section className="card statuses" aria-labelledby="statuses">
      <header>
        <h2 id="statuses" ref={heading} tabIndex={-1}>Device statuses</h2>
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
        <AddStatus configuration={configuration} list={list} view={view} onLookInList={reload} onNews={onNews} />
      </div>
      <StatusFilter view={view} onView={onView} />
      <NewsNotice news={news} isFiltered={isFiltered(view)} onShow={show} />
      <Region
        subject={JSON.stringify([shown, version])}
        isStale={isStale || shown !== view}
        onRetry={reload}
        placeholder={<p className="placeholder">Loading statuses…</p>}
      >
        <StatusTable
          configuration={configuration}
          view={shown}
          version={version}
          onView={onView}
          onClearFilter={clearFilter}
          onShown={setList}
        />
      </Region>
    </section>
  );
}
