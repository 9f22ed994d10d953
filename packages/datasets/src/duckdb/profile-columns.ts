import { type Column, quotedName } from '../column.ts';
import { type DatasetValue, type PlainValue, plainValue, type Row } from '../dataset-value.ts';

/** What is known of the values of a column. Counts of distinct values and quantiles are approximate. */
export interface ColumnProfile extends Column {
  readonly nulls: number;
  readonly distinct: number;
  /** Of numbers, dates and times, and of text by its order. NaN is left out. */
  readonly min?: PlainValue;
  readonly max?: PlainValue;
  /** Of the finite numbers. */
  readonly mean?: number | null;
  readonly stddev?: number | null;
  readonly quantiles?: Readonly<Record<'p05' | 'p25' | 'p50' | 'p75' | 'p95', number>> | null;
  /** Values that are NaN or infinite. */
  readonly notFinite?: number;
  /** Of booleans. */
  readonly trues?: number;
  /** Of text in characters, of lists in items. */
  readonly length?: {
    readonly min: number | null;
    readonly mean: number | null;
    readonly max: number | null;
  };
  /** Texts without a character. */
  readonly empty?: number;
}

type Family = 'number' | 'float' | 'text' | 'boolean' | 'ordered' | 'list' | 'other';

/** The query for a group of columns; `readProfiles` reads its one row. */
export function profileSql(columns: readonly Column[]): string {
  const parts = columns.flatMap(({ name, type }, index) =>
    Object.entries(measures(quotedName(name), familyOf(type))).map(
      ([measure, expression]) => `${expression} as ${measureName(index, measure)}`,
    ),
  );
  return `select count(*) as total${parts.map((part) => `, ${part}`).join('')} from data`;
}

export function readProfiles(columns: readonly Column[], row: Row): ColumnProfile[] {
  return columns.map((column, index) => {
    const value = (measure: string): DatasetValue => row[measureName(index, measure)] ?? null;
    return {
      ...column,
      nulls: Number(value('nulls')),
      // It is an estimate, which may pass what is possible.
      distinct: Math.min(Number(value('distinct')), Number(row['total']) - Number(value('nulls'))),
      ...extras(familyOf(column.type), value),
    };
  });
}

const MAX_PROFILE_TEXT = 200;

function measureName(index: number, measure: string): string {
  return `c${index}_${measure}`;
}

function familyOf(type: string): Family {
  if (/\[\d*\]$/.test(type)) return 'list';
  if (/^(?:FLOAT|DOUBLE)$/.test(type)) return 'float';
  if (/^(?:U?(?:TINY|SMALL|BIG|HUGE)INT|U?INTEGER|DECIMAL\(.*\))$/.test(type)) return 'number';
  if (type === 'VARCHAR') return 'text';
  if (type === 'BOOLEAN') return 'boolean';
  return /^(?:DATE|TIME|TIMESTAMP)/.test(type) ? 'ordered' : 'other';
}

function measures(column: string, family: Family): Record<string, string> {
  const common = { nulls: `count(*) - count(${column})`, distinct: `approx_count_distinct(${column})` };
  const finite = family === 'float' ? ` filter (where isfinite(${column}))` : '';
  switch (family) {
    case 'number':
    case 'float':
      return {
        ...common,
        min: `min(${column}) ${family === 'float' ? `filter (where not isnan(${column}))` : ''}`,
        max: `max(${column}) ${family === 'float' ? `filter (where not isnan(${column}))` : ''}`,
        mean: `avg(${column}::double)${finite}`,
        stddev: `stddev_samp(${column}::double)${finite}`,
        quantiles: `approx_quantile(${column}::double, [0.05, 0.25, 0.5, 0.75, 0.95])${finite}`,
        ...(family === 'float' ? { not_finite: `count(*) filter (where not isfinite(${column}))` } : {}),
      };
    case 'text':
      return {
        ...common,
        min: `left(min(${column}), ${MAX_PROFILE_TEXT})`,
        max: `left(max(${column}), ${MAX_PROFILE_TEXT})`,
        ...lengths(column),
        empty: `count(*) filter (where ${column} = '')`,
      };
    case 'boolean':
      return { ...common, trues: `count(*) filter (where ${column})` };
    case 'ordered':
      return { ...common, min: `min(${column})`, max: `max(${column})` };
    case 'list':
      return { ...common, ...lengths(column) };
    default:
      return common;
  }
}

function lengths(column: string): Record<string, string> {
  return {
    length_min: `min(length(${column}))`,
    length_mean: `avg(length(${column}))`,
    length_max: `max(length(${column}))`,
  };
}

function extras(family: Family, value: (measure: string) => DatasetValue): Partial<ColumnProfile> {
  const number = (measure: string): number | null => {
    const found = value(measure);
    return found === null ? null : Number(found);
  };
  const range = { min: plainValue(value('min')), max: plainValue(value('max')) };
  const length = { min: number('length_min'), mean: number('length_mean'), max: number('length_max') };
  switch (family) {
    case 'number':
    case 'float':
      return {
        ...range,
        mean: number('mean'),
        stddev: number('stddev'),
        quantiles: quantiles(value('quantiles')),
        ...(family === 'float' ? { notFinite: Number(value('not_finite')) } : {}),
      };
    case 'text':
      return { ...range, length, empty: Number(value('empty')) };
    case 'boolean':
      return { trues: Number(value('trues')) };
    case 'ordered':
      return range;
    case 'list':
      return { length };
    default:
      return {};
  }
}

function quantiles(value: DatasetValue): NonNullable<ColumnProfile['quantiles']> | null {
  if (!Array.isArray(value)) return null;
  const [p05, p25, p50, p75, p95] = value.map(Number) as [number, number, number, number, number];
  return { p05, p25, p50, p75, p95 };
}
