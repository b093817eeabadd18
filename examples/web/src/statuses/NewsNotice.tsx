import './NewsNotice.css';

import type { News } from './news';

interface Props {
  news: News;
  /** Whether a filter may keep new statuses out of the list. */
  isFiltered: boolean;
  onShow: () => void;
}

/** "3 new statuses · Show", above the list. */
export function NewsNotice({ news, isFiltered, onShow }: Props) {
  const hasNews = news.added.length > 0 || news.mayHaveMissed;
  const isLost = news.connection === 'lost';
  return (
    <div className={hasNews || isLost ? 'news has-content' : 'news'}>
      <p role="status">
        {hasNews && <strong>{describe(news)}</strong>}
        {hasNews && isFiltered && <small> The filter may hide some of them.</small>}
        {isLost && <small> Live updates are interrupted. Select Reload to see the latest statuses.</small>}
      </p>
      {hasNews && (
        <button type="button" onClick={onShow}>
          Show
        </button>
      )}
    </div>
  );
}

function describe({ added: { length: count }, mayHaveMissed }: News): string {
  if (count === 0) return 'There may be new statuses';
  const noun = count === 1 ? 'status' : 'statuses';
  return mayHaveMissed ? `At least ${count} new ${noun}` : `${count} new ${noun}`;
}
