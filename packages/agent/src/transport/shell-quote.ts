/**
 * One word for any POSIX shell, whatever it holds: the only place where text becomes part of a shell's input.
 * @throws RangeError for a NUL, which no argument can hold
 */
export function shellQuote(word: string): string {
  if (word.includes('\0')) throw new RangeError('a NUL character cannot be handed to a program');
  return `'${word.replaceAll("'", "'\\''")}'`;
}
