/** Statuses that were added after the list was read, from the events that arrived. */
export interface News {
  /** The ids of statuses that other clients added. */
  added: readonly string[];
  /** The ids of statuses that this page added. */
  own: readonly string[];
  /** Ids that arrived while the form was sending: one of them may be the form's own. */
  heldBack: readonly string[];
  isSending: boolean;
  /** Whether statuses may have been added without an event for this page. */
  mayHaveMissed: boolean;
  connection: 'never opened' | 'open' | 'closed' | 'lost';
}

export type NewsEvent =
  | { type: 'added'; id: string }
  | { type: 'sending' }
  /** The form has its response. `id` is the added status, if the response names one. */
  | { type: 'settled'; id: string | undefined }
  | { type: 'connected' | 'disconnected' | 'lost' | 'missed' | 'shown' };

export const NO_NEWS: News = {
  added: [],
  own: [],
  heldBack: [],
  isSending: false,
  mayHaveMissed: false,
  connection: 'never opened',
};

export function reduceNews(news: News, event: NewsEvent): News {
  const { added, own, heldBack, isSending, connection } = news;
  switch (event.type) {
    case 'added': {
      if ([...added, ...own, ...heldBack].includes(event.id)) return news;
      return isSending ? { ...news, heldBack: [...heldBack, event.id] } : { ...news, added: [...added, event.id] };
    }
    case 'sending':
      return { ...news, isSending: true };
    case 'settled':
      return {
        ...news,
        added: [...added, ...heldBack].filter((id) => id !== event.id),
        own: event.id === undefined ? own : [...own, event.id],
        heldBack: [],
        isSending: false,
      };
    case 'connected':
      // A short interruption is not mentioned.
      return { ...news, connection: 'open', mayHaveMissed: news.mayHaveMissed || connection === 'lost' };
    case 'disconnected':
      return connection === 'open' ? { ...news, connection: 'closed' } : news;
    case 'lost':
      return connection === 'closed' ? { ...news, connection: 'lost' } : news;
    case 'missed':
      return { ...news, mayHaveMissed: true };
    case 'shown':
      return { ...news, added: [], mayHaveMissed: false };
  }
}
