import { useEffect, useRef } from 'react';

import { INPUT_STATUSES, isComplianceStatus, STATUS_NAMES } from './complianceStatus';
import { type View, withFilter } from './view';

interface Props {
  view: View;
  onView: (view: View) => void;
}

/** Filters the list. A name is searched on submit rather than on each key press, because Graph limits requests. */
export function StatusFilter({ view, onView }: Props) {
  const name = useRef<HTMLInputElement>(null);
  useEffect(() => {
    if (name.current) name.current.value = view.name;
  }, [view.name]);

  return (
    <search>
      <form
        className="filter"
        onSubmit={(event) => {
          event.preventDefault();
          const name = new FormData(event.currentTarget).get('name');
          onView(withFilter(view, { name: String(name).trim() }));
        }}
      >
        <label>
          Status
          <select
            value={view.status ?? ''}
            onChange={({ target: { value } }) =>
              onView(withFilter(view, { status: isComplianceStatus(value) ? value : null }))
            }
          >
            <option value="">All</option>
            {INPUT_STATUSES.map((status) => (
              <option key={status} value={status}>
                {STATUS_NAMES[status]}
              </option>
            ))}
          </select>
        </label>
        <label className="grows">
          Device name contains
          <input ref={name} name="name" type="search" defaultValue={view.name} autoComplete="off" />
        </label>
        <button type="submit">Search</button>
      </form>
    </search>
  );
}
