// The data that GraphiQL stores between visits: tabs, history and favourites. Headers are never stored, since any of them
// may contain a token. Each kind of upstream has entries of its own: tabs of the sandbox do not open on Microsoft Graph.

const WITH_HEADERS = new Set(['graphiql:tabState', 'graphiql:queries', 'graphiql:favorites']);

const withoutHeaders = (text) => JSON.stringify(JSON.parse(text), (key, value) => (key === 'headers' ? null : value));

/** The browser's storage without headers, or memory if the browser provides none. */
export function storage(upstream) {
  const name = (key) => `${upstream.kind}/${key}`;
  let kept;
  try {
    kept = window.localStorage;
  } catch {
    return memory();
  }
  return {
    get length() {
      return kept.length;
    },
    getItem: (key) => kept.getItem(name(key)),
    setItem(key, value) {
      if (key === 'graphiql:headers') return;
      kept.setItem(name(key), WITH_HEADERS.has(key) ? withoutHeaders(value) : value);
    },
    removeItem: (key) => kept.removeItem(name(key)),
    clear() {
      const own = Object.keys(kept).filter((key) => key.startsWith(name('')));
      for (const key of own) kept.removeItem(key);
    },
  };
}

function memory() {
  const entries = new Map();
  return {
    get length() {
      return entries.size;
    },
    getItem: (key) => entries.get(key) ?? null,
    setItem: (key, value) => void entries.set(key, value),
    removeItem: (key) => void entries.delete(key),
    clear: () => entries.clear(),
  };
}

/**
 * Prepares GraphiQL to show the tab that was active, with its variables. GraphiQL restores those from separate entries,
 * which it writes only after an edit. Returns whether there are stored tabs.
 */
export function restoreTabs(store) {
  let tab;
  try {
    const state = JSON.parse(store.getItem('graphiql:tabState'));
    tab = state.tabs[state.activeTabIndex];
  } catch {
    return false;
  }
  if (!tab) return false;
  for (const part of ['query', 'variables']) {
    if (tab[part] == null) store.removeItem(`graphiql:${part}`);
    else store.setItem(`graphiql:${part}`, tab[part]);
  }
  return true;
}
