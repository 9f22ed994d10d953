import type { RunError } from '@trainyard/protocol';

/**
 * The error of a run in one line: where, and what. Most messages begin with `Stage "a/b" failed` and so
 * say where themselves; then the path is not put before them once more.
 */
export function errorLine({ message, path }: RunError): string {
  if (path === undefined || path === '' || message.includes(`"${path}"`)) return message;
  return `${path}: ${message}`;
}
