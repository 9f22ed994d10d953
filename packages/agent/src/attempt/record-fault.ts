import type { z } from 'zod';

const SHOWN_CHARACTERS = 80;

/** Why a line of a file of records is none. @param value what was read from it, undefined when it is not JSON */
export function recordFault(line: string, value: unknown, { issues: [issue] }: z.ZodError): string {
  const shown = line.length > SHOWN_CHARACTERS ? `${line.slice(0, SHOWN_CHARACTERS)}…` : line;
  if (value === undefined) return `is not JSON: ${shown}`;
  const field = issue === undefined || issue.path.length === 0 ? '' : ` at "${issue.path.join('.')}"`;
  return `${issue?.message ?? 'not such a record'}${field}: ${shown}`;
}
