import { MAX_KEY_LENGTH, MAX_KEYS_PER_LINE, type MetricLine, parseMetricLine } from './metric-line.ts';

/** Longer lines of a log are looked at by nobody: they are dumps, not measurements. */
const MAX_CONSOLE_LINE = 16 * 1024;

/** Names by which trainers print the step; the first that a line has counts. */
const STEP_NAMES = ['step', 'global_step', 'train_step', 'iteration', 'iter', 'training/global_step'];
/** Numbers of a line that say when or where, and measure nothing. */
const NO_METRICS: ReadonlySet<string> = new Set([...STEP_NAMES, 'timestamp', 'pid', 'rank', 'line']);

/**
 * Reads the point that a trainer has printed on its console, if the line is one: a line with a step and at least
 * one number with a name. Understood are JSON objects and Python dicts, also behind a prefix
 * (`[2026-01-01 10:00:00] INFO {"step": 3, "loss": 0.5}`), and lists of names and numbers
 * (`step:3 - actor/loss:5e-05 - lr:1e-06`, `Step 3/100 loss=0.5`). Everything else is a log line.
 */
export function parseConsoleLine(text: string): MetricLine | undefined {
  if (text.length > MAX_CONSOLE_LINE || !/step|iter/i.test(text)) return undefined;
  const shown = lastState(text).replace(ESCAPES, '');
  return objectLine(shown) ?? listLine(shown);
}

/** Colours of a terminal. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they begin with ESC.
const ESCAPES = /\u001b\[[0-9;]*m/g;

/** What a progress bar has drawn last. */
function lastState(text: string): string {
  if (!text.includes('\r')) return text;
  return text.split('\r').findLast((state) => state !== '') ?? '';
}

function objectLine(text: string): MetricLine | undefined {
  const from = text.indexOf('{');
  const to = text.lastIndexOf('}') + 1;
  if (from < 0 || to <= from) return undefined;
  const object = text.slice(from, to);
  const result = parseMetricLine(withStep(object));
  if (result.ok) return measured(result.line);
  const python = parseMetricLine(withStep(asJson(object)));
  return python.ok ? measured(python.line) : undefined;
}

/** Trainers that print an object call the step as they like. */
function withStep(object: string): string {
  if (/"step"\s*:/.test(object)) return object;
  return object.replace(/"(?:global_step|train_step|iteration|iter)"(\s*:)/, '"step"$1');
}

/** A Python dict of texts and numbers as JSON. Texts with quotes inside are not worth more: then it is no point. */
function asJson(object: string): string {
  return object
    .replaceAll("'", '"')
    .replaceAll(/\bNone\b/g, 'null')
    .replaceAll(/\bTrue\b/g, 'true')
    .replaceAll(/\bFalse\b/g, 'false')
    .replaceAll(/(?<![\w"])(-?)inf(?![\w"])/g, '$1Infinity')
    .replaceAll(/(?<![\w"])nan(?![\w"])/g, 'NaN');
}

/** Without the numbers that measure nothing; `undefined` when none is left. */
function measured({ step, timeMs, values }: MetricLine): MetricLine | undefined {
  const kept = values.filter(({ key }) => !NO_METRICS.has(key.toLowerCase()));
  return kept.length === 0 ? undefined : { step, timeMs, values: kept };
}

/**
 * A name, a colon or an equals sign, and a number that is followed by nothing of its own, such as a unit. A name
 * begins only where nothing of a name is before it, so the time is in proportion to the line.
 */
const NAMED_NUMBER =
  /(?<![\w./@()-])([A-Za-z_][\w./@()-]{0,249}?)\s{0,3}[:=]\s{0,3}([-+]?(?:\d{1,30}(?:\.\d{0,30})?|\.\d{1,30})(?:[eE][-+]?\d{1,4})?|[-+]?(?:nan|inf|infinity))(?![\w.:%/-]*[\w%])/gi;
/** `Step 3`, `step 3/100`, `Step [3/100]`: without a sign between. */
const SPOKEN_STEP =
  /(?<![\w./])(?:global[ _])?(?:step|iteration|iter)\s{0,3}[:=]?\s{0,3}\[?\s{0,3}(\d{1,15})(?![\d.])/i;

function listLine(text: string): MetricLine | undefined {
  const found = new Map<string, number>();
  for (const [, name, number] of text.matchAll(NAMED_NUMBER)) {
    if (name!.length <= MAX_KEY_LENGTH && found.size < MAX_KEYS_PER_LINE) found.set(name!, toNumber(number!));
  }
  const step = stepOf(found, text);
  if (step === undefined) return undefined;
  const values = [...found].map(([key, value]) => ({ key, value }));
  return measured({ step, timeMs: undefined, values });
}

function stepOf(found: ReadonlyMap<string, number>, text: string): number | undefined {
  const byName = new Map([...found].map(([key, value]) => [key.toLowerCase(), value]));
  const named = STEP_NAMES.map((name) => byName.get(name)).find((value) => value !== undefined);
  const spoken = SPOKEN_STEP.exec(text)?.[1];
  const step = named ?? (spoken === undefined ? undefined : Number(spoken));
  return step !== undefined && Number.isSafeInteger(step) && step >= 0 ? step : undefined;
}

function toNumber(text: string): number {
  const lower = text.toLowerCase();
  if (lower.includes('nan')) return Number.NaN;
  if (!lower.includes('inf')) return Number(text);
  return lower.startsWith('-') ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY;
}
