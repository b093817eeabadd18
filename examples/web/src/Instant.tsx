const FORMAT = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'short' });

/** A moment in the reader's own time. Intune says "never" by the first year there is, and "without end" by the last. */
export function Instant({ of: text }: { of: string | null | undefined }) {
  if (!text) return '–';
  if (text.startsWith('0001-')) return 'Never';
  if (text.startsWith('9999-')) return 'No end';
  return <time dateTime={text}>{FORMAT.format(new Date(text))}</time>;
}
