/** What is known of a checkpoint when it is decided which are kept. */
export interface RankedCheckpoint {
  /** Counts up with each that is saved. */
  readonly order: number;
  /** Of the metric; what is not finite is the worst. */
  readonly value: number | null;
}

export interface KeepRule {
  readonly mode: 'min' | 'max';
  /** So many of the best are kept; -1 keeps all. */
  readonly topK: number;
  /** Whether the newest is kept beside those. */
  readonly keepLast: boolean;
}

/** Those that are kept. */
export function keptCheckpoints<T extends RankedCheckpoint>(all: readonly T[], rule: KeepRule): T[] {
  if (rule.topK === -1) return [...all];
  const best = bestFirst(all, rule.mode).slice(0, rule.topK);
  const last = all.reduce<T | undefined>(
    (newest, each) => (newest === undefined || each.order > newest.order ? each : newest),
    undefined,
  );
  return all.filter((each) => best.includes(each) || (rule.keepLast && each === last));
}

/** The best first; of equal ones the older, behind all those whose value is no finite number. */
export function bestFirst<T extends RankedCheckpoint>(all: readonly T[], mode: 'min' | 'max'): T[] {
  const sign = mode === 'min' ? 1 : -1;
  const cost = ({ value }: T) =>
    value === null || !Number.isFinite(value) ? Number.POSITIVE_INFINITY : sign * value;
  return all.toSorted((a, b) => (cost(a) === cost(b) ? a.order - b.order : cost(a) - cost(b)));
}
