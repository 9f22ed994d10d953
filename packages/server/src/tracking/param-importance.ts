/** A run as far as its outcome and its params are concerned. */
export interface MeasuredRun {
  readonly value: number;
  readonly params: ReadonlyMap<string, string>;
}

export interface ParamScore {
  readonly key: string;
  readonly kind: 'number' | 'text';
  readonly runs: number;
  readonly distinctValues: number;
  readonly explained: number;
  readonly rankCorrelation: number | null;
}

/** With fewer runs nothing can be told from chance. */
const MIN_RUNS = 4;
/** Numbers with more values than this are put into so many bins of about equally many runs. */
const MAX_BINS = 8;
const RUNS_PER_BIN = 4;

/**
 * How much each param has to do with a metric, one param at a time.
 *
 * `explained` is the share of the metric's variance that lies between groups of runs with the same value (numbers
 * with many values: with near values), corrected for what groups of that number explain by chance: epsilon squared
 * (Kelley 1935), the correlation ratio of an analysis of variance made unbiased, cut to 0 to 1. It sees also what is
 * best in the middle. `rankCorrelation` is Spearman's, and says which way a number goes. Neither sees what only two
 * params together do, and neither proves a cause: params that were changed together share what is explained.
 *
 * Params that never differ, and texts that hardly ever repeat, are left out. The most important come first.
 */
export function paramImportances(runs: readonly MeasuredRun[]): ParamScore[] {
  const finite = runs.filter(({ value }) => Number.isFinite(value));
  const keys = new Set(finite.flatMap(({ params }) => [...params.keys()]));
  const scores = [...keys].flatMap((key) => scoreParam(key, finite) ?? []);
  return scores.sort(
    (a, b) =>
      b.explained - a.explained ||
      Math.abs(b.rankCorrelation ?? 0) - Math.abs(a.rankCorrelation ?? 0) ||
      (a.key < b.key ? -1 : 1),
  );
}

function scoreParam(key: string, runs: readonly MeasuredRun[]): ParamScore | undefined {
  const having = runs.filter(({ params }) => params.has(key));
  const texts = having.map(({ params }) => params.get(key)!);
  const values = having.map(({ value }) => value);
  const distinctValues = new Set(texts).size;
  if (having.length < MIN_RUNS || distinctValues < 2) return undefined;
  const numbers = texts.map(toNumber);
  const isNumber = numbers.every((number) => number !== undefined);
  const groups: readonly (number | string)[] = isNumber ? numberGroups(numbers) : texts;
  const count = new Set(groups).size;
  if (count < 2 || having.length < 2 * count) return undefined;
  return {
    key,
    kind: isNumber ? 'number' : 'text',
    runs: having.length,
    distinctValues,
    explained: explainedVariance(groups, values),
    rankCorrelation: isNumber ? pearson(ranks(numbers), ranks(values)) : null,
  };
}

function toNumber(text: string): number | undefined {
  const number = text.trim() === '' ? Number.NaN : Number(text);
  return Number.isFinite(number) ? number : undefined;
}

/** The value itself where values repeat enough, else the number of its bin. Equal values share a bin. */
function numberGroups(numbers: readonly number[]): number[] {
  const distinct = new Set(numbers).size;
  if (distinct <= MAX_BINS && numbers.length >= 2 * distinct) return [...numbers];
  const bins = Math.max(2, Math.min(MAX_BINS, Math.floor(numbers.length / RUNS_PER_BIN)));
  return ranks(numbers).map((rank) => Math.floor(((rank - 0.5) / numbers.length) * bins));
}

/** Epsilon squared of the groups. */
function explainedVariance(groups: readonly unknown[], values: readonly number[]): number {
  // To the scale of the largest value, so that squares stay finite.
  const scale = Math.max(...values.map(Math.abs)) || 1;
  const scaled = values.map((value) => value / scale);
  const all = mean(scaled);
  const total = sumOf(scaled, (value) => (value - all) ** 2);
  if (total <= Number.EPSILON ** 2 * values.length) return 0;
  const members = Map.groupBy(scaled.keys(), (index) => groups[index]);
  let within = 0;
  for (const indexes of members.values()) {
    const own = indexes.map((index) => scaled[index]!);
    const middle = mean(own);
    within += sumOf(own, (value) => (value - middle) ** 2);
  }
  const corrected = 1 - ((values.length - 1) / (values.length - members.size)) * (within / total);
  return Math.min(1, Math.max(0, corrected));
}

/** Ranks from 1; equal values share the middle of theirs. */
function ranks(values: readonly number[]): number[] {
  const order = [...values.keys()].sort((a, b) => values[a]! - values[b]!);
  const result = new Array<number>(values.length).fill(0);
  for (let start = 0; start < order.length; ) {
    let end = start;
    while (end + 1 < order.length && values[order[end + 1]!] === values[order[start]!]) end += 1;
    for (let at = start; at <= end; at += 1) result[order[at]!] = (start + end) / 2 + 1;
    start = end + 1;
  }
  return result;
}

/** 0 where one of them never changes. */
function pearson(a: readonly number[], b: readonly number[]): number {
  const [middleA, middleB] = [mean(a), mean(b)];
  const together = sumOf([...a.keys()], (index) => (a[index]! - middleA) * (b[index]! - middleB));
  const spread = Math.sqrt(sumOf(a, (x) => (x - middleA) ** 2) * sumOf(b, (x) => (x - middleB) ** 2));
  return spread === 0 ? 0 : Math.min(1, Math.max(-1, together / spread));
}

function mean(values: readonly number[]): number {
  return sumOf(values, (value) => value) / values.length;
}

function sumOf(values: readonly number[], of: (value: number) => number): number {
  return values.reduce((sum, value) => sum + of(value), 0);
}
