// What GraphiQL may keep between visits: tabs, history and favourites, never a header. A token may stand in any header.

const WITH_HEADERS = new Set(['graphiql:tabState', 'graphiql:queries', 'graphiql:favorites']);

const withoutHeaders = (text) => JSON.stringify(JSON.parse(text), (key, value) => (key === 'headers' ? null : value));

/** The browser's storage behind a filter, or memory where the browser refuses to give one. */
export function storage() {
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
    getItem: (key) => kept.getItem(key),
    setItem(key, value) {
      if (key === 'graphiql:headers') return;
      kept.setItem(key, WITH_HEADERS.has(key) ? withoutHeaders(value) : value);
    },
    removeItem: (key) => kept.removeItem(key),
    clear: () => kept.clear(),
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
 * Makes GraphiQL show the tab that was active, with its variables: it restores those from entries of their own, which it
 * does not write before something is edited. Gives whether there were tabs.
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
