import { z } from 'zod';
import { parseDurationMs } from '../duration.ts';
import { DEFINITION_LIMITS } from './limits.ts';

/** Building blocks that several parts of the pipeline file share. */

export type JsonValue = string | number | boolean | null | JsonValue[] | { [key: string]: JsonValue };
/** The schema of any JSON in the API: a second one would be a recursive schema without a name in the OpenAPI document. */
export const jsonValue: z.ZodType<JsonValue> = z.json();

/** JSON in answers, which are not checked again. The OpenAPI document cannot hold the recursive schema there. */
export const answeredJson = z.unknown() as z.ZodType<JsonValue>;

export const duration = z.union([z.string(), z.number()]).transform((value, context) => {
  const ms = parseDurationMs(value);
  if (ms !== undefined) return ms;
  context.issues.push({
    code: 'custom',
    input: value,
    message: `"${value}" is not a duration; write for example 90s, 15m, 2h or 1h30m (at most 366 days)`,
  });
  return z.NEVER;
});

export const name = z
  .string()
  .min(1)
  .max(DEFINITION_LIMITS.maxNameLength)
  .regex(
    /^[A-Za-z0-9_][A-Za-z0-9_.-]*$/,
    'a name has letters, digits, "_", "-" and ".", and starts with none of the last two',
  );

/** Names that expressions use without quotes: of params, items and axes. */
export const identifier = (what: string) =>
  z
    .string()
    .max(DEFINITION_LIMITS.maxNameLength)
    .regex(/^[A-Za-z_][A-Za-z0-9_]*$/, `not a name of ${what}`);

/** A text that is one expression and nothing else. */
export const soleExpression = (message: string) =>
  z
    .string()
    .max(10_000)
    .regex(/^\s*\$\{\{[\s\S]*\}\}\s*$/, message);
