/**
 * A value as JSON text that PostgreSQL's jsonb takes. JSON allows two things that jsonb does not: the NUL
 * character and halves of surrogate pairs. Both become U+FFFD, for a training program that prints rubbish
 * must still be able to end.
 */
export function jsonbText(value: unknown): string {
  const text = JSON.stringify(value);
  if (!/\\u(?:0000|d[89a-f])/.test(text)) return text;
  return JSON.stringify(value, (_key, inner: unknown) => {
    if (typeof inner === 'string') return storableText(inner);
    if (typeof inner !== 'object' || inner === null || Array.isArray(inner)) return inner;
    return Object.fromEntries(Object.entries(inner).map(([key, kept]) => [storableText(key), kept]));
  });
}

/** Text with U+FFFD in place of what PostgreSQL's text does not hold either: NUL and halves of surrogate pairs. */
export function storableText(text: string): string {
  // Nearly all text is as it is to be, and there is much of it.
  if (text.isWellFormed() && !text.includes('\0')) return text;
  return text.toWellFormed().replaceAll('\0', '\uFFFD');
}
