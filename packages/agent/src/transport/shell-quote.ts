/**
 * One word for any POSIX shell, whatever it holds: the only place where text becomes part of a shell's input.
 * @throws RangeError for a NUL, which no argument can hold
 */
export function shellQuote(word: string): string {
  if (word.includes('\0')) throw new RangeError('a NUL character cannot be handed to a program');
  return `'${word.replaceAll("'", "'\\''")}'`;
}

/** Lines of sh that set variables, names and values whatever they hold. @throws RangeError for a bad name */
export function exportLines(env: Readonly<Record<string, string>>): string {
  return Object.entries(env)
    .map(([name, value]) => {
      if (!ENVIRONMENT_NAME.test(name)) {
        throw new RangeError(`"${name}" cannot be the name of an environment variable`);
      }
      return `export ${name}=${shellQuote(value)}\n`;
    })
    .join('');
}

const ENVIRONMENT_NAME = /^[A-Za-z_][A-Za-z0-9_]*$/;
