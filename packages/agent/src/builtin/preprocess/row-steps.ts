import type { DatasetValue, Row } from '@trainyard/datasets';
import type { PreprocessConfig } from '@trainyard/protocol';
import { BuiltinFailure } from '../attempt.ts';
import { asNumber, isNull, readComparison } from './comparison.ts';
import { seededRandom, shuffledIndices } from './seeded-random.ts';
import { jsonText, type Table } from './table-text.ts';

/** What a step left over, for the log. */
export interface StepCount {
  readonly step: string;
  readonly rows: number;
}

type Step = (table: Table) => Table;

/** Takes all steps of a config but the split, in their fixed order. The same data and config give the same rows. */
export function takeSteps(
  table: Table,
  config: PreprocessConfig,
): { readonly table: Table; readonly counts: readonly StepCount[] } {
  let current = table;
  const counts: StepCount[] = [];
  for (const [step, take] of stepsOf(config)) {
    current = take(current);
    counts.push({ step, rows: current.rows.length });
  }
  return { table: current, counts };
}

/** Parts of the rows by name; within a part the rows keep their order. */
export function splitRows(
  { columns, rows }: Table,
  parts: Readonly<Record<string, number>>,
  seed: number,
): ReadonlyMap<string, Table> {
  // Another sequence than that of the shuffle, so that one does not undo the other.
  const order = shuffledIndices(rows.length, seededRandom(seed ^ 0x5eed));
  const split = new Map<string, Table>();
  let from = 0;
  for (const [name, count] of countsOf(parts, rows.length)) {
    const chosen = order.slice(from, from + count).sort();
    from += count;
    split.set(name, { columns, rows: [...chosen].map((index) => rows[index]!) });
  }
  return split;
}

/** Whole numbers of rows, whose sum is that of the parts: what rounding leaves goes to the largest remainders. */
function countsOf(parts: Readonly<Record<string, number>>, total: number): [string, number][] {
  const exact = Object.entries(parts).map(([name, part]) => ({ name, share: part * total }));
  const wanted = Math.min(total, Math.round(exact.reduce((sum, { share }) => sum + share, 0)));
  const counts = exact.map(({ share }) => Math.floor(share + 1e-9));
  const byRemainder = exact
    .map(({ share }, index) => ({ index, remainder: share - counts[index]! }))
    .sort((a, b) => b.remainder - a.remainder || a.index - b.index);
  let left = wanted - counts.reduce((sum, count) => sum + count, 0);
  for (const { index } of byRemainder) {
    if (left <= 0) break;
    counts[index]! += 1;
    left -= 1;
  }
  return exact.map(({ name }, index) => [name, counts[index]!]);
}

function stepsOf(config: PreprocessConfig): [string, Step][] {
  const { select, drop, rename, dropNulls, filter, min, max, maxLength, truncate } = config;
  const { dropDuplicates, sample, shuffle, seed } = config;
  const steps: [string, Step | false | undefined][] = [
    ['select', select && selectColumns(select)],
    ['drop', drop && dropColumns(drop)],
    ['rename', rename && renameColumns(rename)],
    ['dropNulls', dropNulls !== false && withoutNulls(dropNulls)],
    ['filter', filter.length > 0 && comparing(filter)],
    ['min', isGiven(min) && bounded(min, (value, limit) => value >= limit)],
    ['max', isGiven(max) && bounded(max, (value, limit) => value <= limit)],
    ['maxLength', isGiven(maxLength) && shortEnough(maxLength)],
    ['truncate', isGiven(truncate) && truncated(truncate)],
    ['dropDuplicates', dropDuplicates !== false && withoutDuplicates(dropDuplicates)],
    ['sample', sample && sampled(sample, seed)],
    ['shuffle', shuffle && shuffled(seed)],
  ];
  return steps.filter((entry): entry is [string, Step] => typeof entry[1] === 'function');
}

function isGiven(record: Readonly<Record<string, unknown>>): boolean {
  return Object.keys(record).length > 0;
}

function selectColumns(names: readonly string[]): Step {
  return (table) => {
    const { rows } = known(table, names);
    return { columns: names, rows: rows.map((row) => pick(row, names)) };
  };
}

function dropColumns(names: readonly string[]): Step {
  return (table) => {
    const { columns } = known(table, names);
    return selectColumns(columns.filter((name) => !names.includes(name)))(table);
  };
}

function pick(row: Row, names: readonly string[]): Row {
  return Object.fromEntries(
    names.flatMap((name): [string, DatasetValue][] => (Object.hasOwn(row, name) ? [[name, row[name]!]] : [])),
  );
}

function renameColumns(names: Readonly<Record<string, string>>): Step {
  const renamed = (name: string) => (Object.hasOwn(names, name) ? names[name]! : name);
  return (table) => {
    const columns = known(table, Object.keys(names)).columns.map(renamed);
    const twice = columns.find((name, index) => columns.indexOf(name) !== index);
    if (twice !== undefined) {
      throw new BuiltinFailure('invalid_config', `rename would give two columns the name "${twice}"`);
    }
    const rows = table.rows.map((row) =>
      Object.fromEntries(Object.entries(row).map(([name, value]) => [renamed(name), value])),
    );
    return { columns, rows };
  };
}

function withoutNulls(columns: true | readonly string[]): Step {
  return (table) => {
    const names = columns === true ? table.columns : columns;
    return keeping(known(table, names), (row) => names.every((name) => !isNull(row[name])));
  };
}

function comparing(texts: readonly string[]): Step {
  const comparisons = texts.map(readComparison);
  return (table) => keeping(table, (row) => comparisons.every((holds) => holds(row)));
}

function bounded(
  limits: Readonly<Record<string, number>>,
  holds: (value: number, limit: number) => boolean,
): Step {
  const entries = Object.entries(limits);
  return (table) =>
    keeping(known(table, Object.keys(limits)), (row) =>
      entries.every(([name, limit]) => {
        const value = asNumber(row[name]);
        return value !== undefined && holds(value, limit);
      }),
    );
}

function shortEnough(lengths: Readonly<Record<string, number>>): Step {
  const entries = Object.entries(lengths);
  return (table) =>
    keeping(known(table, Object.keys(lengths)), (row) =>
      entries.every(([name, limit]) => {
        const value = row[name];
        return typeof value !== 'string' || lengthOf(value) <= limit;
      }),
    );
}

function truncated(lengths: Readonly<Record<string, number>>): Step {
  const cut = (name: string, value: DatasetValue): DatasetValue =>
    typeof value === 'string' && Object.hasOwn(lengths, name) && lengthOf(value) > lengths[name]!
      ? [...value].slice(0, lengths[name]!).join('')
      : value;
  return (table) => ({
    columns: known(table, Object.keys(lengths)).columns,
    rows: table.rows.map((row) =>
      Object.fromEntries(Object.entries(row).map(([name, value]) => [name, cut(name, value)])),
    ),
  });
}

/** In characters as people count them, not in units of UTF-16. */
function lengthOf(text: string): number {
  let length = 0;
  for (const _ of text) length += 1;
  return length;
}

function withoutDuplicates(columns: true | readonly string[]): Step {
  return (table) => {
    const names = columns === true ? table.columns : columns;
    const seen = new Set<string>();
    return keeping(known(table, names), (row) => {
      const key = jsonText(names.map((name) => row[name] ?? null));
      if (seen.has(key)) return false;
      seen.add(key);
      return true;
    });
  };
}

function sampled(sample: NonNullable<PreprocessConfig['sample']>, seed: number): Step {
  return ({ columns, rows }) => {
    const wanted = 'rows' in sample ? sample.rows : Math.round(sample.fraction * rows.length);
    const chosen = shuffledIndices(rows.length, seededRandom(seed ^ 0x5a3b1e))
      .slice(0, wanted)
      .sort();
    return { columns, rows: [...chosen].map((index) => rows[index]!) };
  };
}

function shuffled(seed: number): Step {
  return ({ columns, rows }) => {
    const order = shuffledIndices(rows.length, seededRandom(seed));
    return { columns, rows: [...order].map((index) => rows[index]!) };
  };
}

function keeping({ columns, rows }: Table, holds: (row: Row) => boolean): Table {
  return { columns, rows: rows.filter(holds) };
}

/** @throws BuiltinFailure for a column that the data has not: a misspelt one would do nothing, silently */
function known(table: Table, names: readonly string[]): Table {
  const missing = names.find((name) => !table.columns.includes(name));
  if (missing === undefined) return table;
  const message = `there is no column "${missing}"; there are ${table.columns.join(', ') || 'none'}`;
  throw new BuiltinFailure('invalid_config', message);
}
