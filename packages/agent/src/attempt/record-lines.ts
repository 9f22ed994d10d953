import type { z } from 'zod';
import { parseJson } from '../parse-json.ts';

const SHOWN_CHARACTERS = 80;

/** A line of a file of records. `fault` says why it is none. */
export type RecordLine<T> = { readonly lineNumber: number } & (
  | { readonly record: T; readonly fault?: undefined }
  | { readonly record?: undefined; readonly fault: string }
);

/**
 * The lines of a file with a record in each; empty ones are left out.
 * @param parse reads one line; undefined when it is not JSON
 */
export function* recordLines<T>(
  text: string,
  schema: z.ZodType<T>,
  parse: (line: string) => unknown = parseJson,
): Generator<RecordLine<T>> {
  for (const [index, line] of text.split('\n').entries()) {
    if (line.trim() === '') continue;
    const value = parse(line);
    const parsed = schema.safeParse(value);
    const lineNumber = index + 1;
    yield parsed.success
      ? { lineNumber, record: parsed.data }
      : { lineNumber, fault: faultOf(line, value, parsed.error) };
  }
}

function faultOf(line: string, value: unknown, { issues: [issue] }: z.ZodError): string {
  const shown = line.length > SHOWN_CHARACTERS ? `${line.slice(0, SHOWN_CHARACTERS)}…` : line;
  if (value === undefined) return `is not JSON: ${shown}`;
  const field = issue === undefined || issue.path.length === 0 ? '' : ` at "${issue.path.join('.')}"`;
  return `${issue?.message ?? 'not such a record'}${field}: ${shown}`;
}
