import type { MetricKind } from './catalogue.ts';

/** A tensor of any library: it gives its values as numbers, in whatever way it can. */
export type TensorLike =
  | { item(): number | bigint }
  | { tolist(): unknown }
  | { dataSync(): ArrayLike<number> }
  | { toArray(): ArrayLike<number> };

/** What may be recorded: a number, a list (of lists), values by label, or a tensor of a library. */
export type MetricInput =
  | number
  | bigint
  | boolean
  | ArrayLike<number>
  | readonly MetricInput[]
  | { readonly [label: string]: number | bigint | boolean }
  | TensorLike;

/** A value as it is recorded. NaN and the infinities are values. */
export interface MetricNumber {
  readonly total: number;
  /** The parts of the value: of a list by index, of a list of lists as `row/column`. */
  readonly labels?: Readonly<Record<string, number>>;
}

/** A value that is no metric. */
export class NotAMetric extends Error {
  override readonly name = 'NotAMetric';
}

/** Parts of one value; a confusion matrix of 100 classes has 10,000. */
const MAX_PARTS = 10_000;

/**
 * Makes numbers of what a program records.
 * @throws NotAMetric when there is something in it that is no number, nothing at all, or more than 10,000 parts
 */
export function toMetricNumber(name: string, input: unknown, { total = 'mean' }: MetricKind): MetricNumber {
  const value = ofTensor(input);
  const single = asNumber(value);
  if (single !== undefined) return { total: single };
  const labels = new Map<string, number>();
  collect(name, value, '', labels);
  if (labels.size === 0) throw new NotAMetric(`The metric "${name}" is ${describe(input)}, not a number.`);
  const sum = [...labels.values()].reduce((all, part) => all + part, 0);
  return { total: total === 'sum' ? sum : sum / labels.size, labels: Object.fromEntries(labels) };
}

function collect(name: string, part: unknown, path: string, labels: Map<string, number>): void {
  const value = ofTensor(part);
  const number = path === '' ? undefined : asNumber(value);
  if (number !== undefined) {
    labels.set(path, number);
    if (labels.size > MAX_PARTS)
      throw new NotAMetric(`The metric "${name}" has more than ${MAX_PARTS} parts.`);
    return;
  }
  if (typeof value !== 'object' || value === null || path.split('/').length > MAX_DEPTH) {
    const where = path === '' ? '' : ` at ${path}`;
    throw new NotAMetric(`The metric "${name}" is ${describe(part)}${where}, not a number.`);
  }
  const entries: Iterable<readonly [string | number, unknown]> = isList(value)
    ? Array.from(value).entries()
    : Object.entries(value);
  for (const [key, inner] of entries)
    collect(name, inner, path === '' ? String(key) : `${path}/${key}`, labels);
}

const MAX_DEPTH = 4;

function asNumber(value: unknown): number | undefined {
  if (typeof value === 'number') return value;
  return typeof value === 'bigint' || typeof value === 'boolean' ? Number(value) : undefined;
}

function isList(value: object): value is ArrayLike<unknown> {
  return Array.isArray(value) || (ArrayBuffer.isView(value) && !(value instanceof DataView));
}

/** JSON has no NaN and no infinities: they are written by their names, which readers of metrics files take. */
export function jsonNumber(value: number): number | string {
  return Number.isFinite(value) ? value : String(value);
}

/** The values of a tensor; anything else as it is. A scalar tensor is asked for its item first. */
function ofTensor(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || isList(value)) return value;
  for (const method of ['tolist', 'toArray', 'dataSync', 'item'] as const) {
    const read = (value as Record<string, unknown>)[method];
    if (typeof read === 'function') return unwrapped(read.call(value));
  }
  return value;
}

/** A tensor of one value is that value. */
function unwrapped(value: unknown): unknown {
  return typeof value === 'object' && value !== null && isList(value) && value.length === 1
    ? value[0]
    : value;
}

function describe(value: unknown): string {
  if (value === null || value === undefined) return String(value);
  if (typeof value === 'string') return JSON.stringify(value.length > 50 ? `${value.slice(0, 50)}…` : value);
  if (Array.isArray(value)) return value.length === 0 ? 'an empty list' : 'a list';
  return typeof value === 'object' ? 'an object' : `a ${typeof value}`;
}
