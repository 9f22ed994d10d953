/** One measurement read from a metrics line. */
export interface MetricValue {
  readonly key: string;
  readonly value: number;
}

export interface MetricLine {
  /** Training step, an integer >= 0; step 0 is valid. */
  readonly step: number;
  /** Epoch milliseconds, or `undefined` when the line carries no timestamp. */
  readonly timeMs: number | undefined;
  readonly values: readonly MetricValue[];
}

export type MetricLineResult =
  | { readonly ok: true; readonly line: MetricLine }
  | { readonly ok: false; readonly problem: string };

/** Longest line that is read as a metric; longer ones are reported as a problem and skipped. */
export const MAX_METRIC_LINE_BYTES = 1024 * 1024;
/** Most keys that one line may carry. */
export const MAX_KEYS_PER_LINE = 2000;
/** Longest key, in characters. */
export const MAX_KEY_LENGTH = 250;

/** Names of older trainers that are called otherwise here. */
const RENAMED: ReadonlyMap<string, string> = new Map([
  ['loss/actor_loss', 'policy_loss'],
  ['loss/critic_loss', 'value_loss'],
  ['loss/total_loss', 'total_loss'],
]);

/**
 * Reads one line of a metrics file (docs/guides/pipelines.md, "Metrics"). Numbers become points; groups such as
 * `reward: {mean}` become keys `reward/mean`; `loss.actor_loss` is `policy_loss`, `loss.critic_loss` is
 * `value_loss`; the entries of `raw` keep their own names and never overwrite a named one. `NaN` and
 * `Infinity`, bare as Python writes them or as strings, are values. Text and null entries are ignored.
 */
export function parseMetricLine(text: string): MetricLineResult {
  if (text.length > MAX_METRIC_LINE_BYTES)
    return problem(`line is longer than ${MAX_METRIC_LINE_BYTES} characters`);
  const parsed = parseLenientJson(text);
  if (parsed === undefined) return problem('not a JSON object');
  const step = parsed['step'];
  if (typeof step !== 'number' || !Number.isSafeInteger(step) || step < 0) {
    return problem(`"step" must be an integer >= 0, found ${JSON.stringify(step) ?? 'nothing'}`);
  }
  const flat = readFlat(parsed);
  if (flat !== undefined)
    return { ok: true, line: { step, timeMs: readTime(parsed['timestamp']), values: flat } };
  const values = new Map<string, number>();
  for (const [key, value] of Object.entries(parsed)) {
    if (key === 'step' || key === 'timestamp' || key === 'raw') continue;
    if (!collect(values, key, value, 0)) return problem(`more than ${MAX_KEYS_PER_LINE} keys in one line`);
  }
  if (!collectRaw(values, parsed['raw'])) return problem(`more than ${MAX_KEYS_PER_LINE} keys in one line`);
  return {
    ok: true,
    line: { step, timeMs: readTime(parsed['timestamp']), values: [...values].map(toValue) },
  };
}

/** The values of a line that has only numbers with names of their own, as most have; else `undefined`. */
function readFlat(parsed: Readonly<Record<string, unknown>>): MetricValue[] | undefined {
  const values: MetricValue[] = [];
  for (const key in parsed) {
    if (key === 'step' || key === 'timestamp') continue;
    const value = parsed[key];
    const isPlain =
      typeof value === 'number' && key !== '' && key.length <= MAX_KEY_LENGTH && !RENAMED.has(key);
    if (!isPlain || values.length === MAX_KEYS_PER_LINE) return undefined;
    values.push({ key, value });
  }
  return values;
}

function collect(values: Map<string, number>, key: string, value: unknown, depth: number): boolean {
  const number = readNumber(value);
  if (number !== undefined) {
    const name = RENAMED.get(key) ?? key;
    if (name.length > 0 && name.length <= MAX_KEY_LENGTH) values.set(name, number);
    return values.size <= MAX_KEYS_PER_LINE;
  }
  if (!isObject(value) || depth >= 4) return true;
  for (const [inner, innerValue] of Object.entries(value)) {
    if (!collect(values, `${key}/${inner}`, innerValue, depth + 1)) return false;
  }
  return true;
}

function collectRaw(values: Map<string, number>, raw: unknown): boolean {
  if (!isObject(raw)) return true;
  for (const [key, value] of Object.entries(raw)) {
    const number = readNumber(value);
    if (number === undefined || values.has(key) || key === 'step' || key === 'timestamp') continue;
    if (key.length > 0 && key.length <= MAX_KEY_LENGTH) values.set(key, number);
    if (values.size > MAX_KEYS_PER_LINE) return false;
  }
  return true;
}

function readNumber(value: unknown): number | undefined {
  if (typeof value === 'number') return value;
  if (typeof value === 'boolean') return value ? 1 : 0;
  if (typeof value !== 'string') return undefined;
  return NON_FINITE.get(value);
}

const NON_FINITE: ReadonlyMap<string, number> = new Map([
  ['NaN', Number.NaN],
  ['nan', Number.NaN],
  ['Infinity', Number.POSITIVE_INFINITY],
  ['inf', Number.POSITIVE_INFINITY],
  ['-Infinity', Number.NEGATIVE_INFINITY],
  ['-inf', Number.NEGATIVE_INFINITY],
]);

function readTime(value: unknown): number | undefined {
  return typeof value === 'number' && Number.isFinite(value) ? value * 1000 : undefined;
}

/** A JSON object that may hold the bare NaN and Infinity of Python, which become texts; `undefined` when it is none. */
export function parseLenientJson(text: string): Record<string, unknown> | undefined {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    const quoted = quoteBareNumbers(text);
    if (quoted === undefined) return undefined;
    try {
      parsed = JSON.parse(quoted);
    } catch {
      return undefined;
    }
  }
  return isObject(parsed) ? parsed : undefined;
}

/**
 * Python's json module writes bare NaN and Infinity: quotes those that stand outside of strings; `undefined`
 * when there are none. One pass, because a line may be a megabyte of anything.
 */
function quoteBareNumbers(text: string): string | undefined {
  const tokens = /"|-?\b(?:NaN|Infinity)\b/g;
  let quoted = '';
  let from = 0;
  for (let found = tokens.exec(text); found !== null; found = tokens.exec(text)) {
    if (found[0] === '"') {
      tokens.lastIndex = endOfString(text, found.index);
      continue;
    }
    quoted += `${text.slice(from, found.index)}"${found[0]}"`;
    from = tokens.lastIndex;
  }
  return from === 0 ? undefined : quoted + text.slice(from);
}

/** Place behind the string that begins at `begin`; the text's end when it is not closed. */
function endOfString(text: string, begin: number): number {
  for (let at = begin + 1; at < text.length; at += 1) {
    if (text[at] === '\\') at += 1;
    else if (text[at] === '"') return at + 1;
  }
  return text.length;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function toValue([key, value]: readonly [string, number]): MetricValue {
  return { key, value };
}

function problem(text: string): MetricLineResult {
  return { ok: false, problem: text };
}
