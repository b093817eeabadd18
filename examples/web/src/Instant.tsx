const FORMAT = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'short' });

/** A date and time in the user's time zone. Intune uses the year 1 for "never" and the year 9999 for "no end". */
export function Instant({ of: text }: { of: string | null | undefined }) {
  if (!text) return '–';
  if (text.startsWith('0001-')) return 'Never';
  if (text.startsWith('9999-')) return 'No end';
  return <time dateTime={text}>{FORMAT.format(new Date(text))}</time>;
}
