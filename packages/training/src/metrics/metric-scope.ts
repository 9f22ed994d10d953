import {
  isUntracked,
  type KnownMetric,
  type MetricCatalogue,
  type MetricKind,
  type UntrackedName,
} from './catalogue.ts';
import { jsonNumber, type MetricInput, type MetricNumber, toMetricNumber } from './metric-value.ts';

/** The metrics of one scope, as callbacks see them. */
export interface MetricValues {
  /** The total of a metric; `undefined` when it was not recorded. */
  get(name: string): number | undefined;
  /** A value that no tracker records, such as the network. */
  untracked(name: UntrackedName): unknown;
  /** All that is recorded, in the order in which it was set. */
  entries(): IterableIterator<[name: string, value: MetricNumber]>;
}

/** A metric was set where nothing would record it. */
export class MetricOutOfScope extends Error {
  override readonly name = 'MetricOutOfScope';
}

/**
 * The metrics of a run, an epoch or a batch while it goes on. They are recorded at its end, and then it is empty:
 * nothing of one epoch is ever in the next.
 */
export class MetricScope<Custom extends string = never> implements MetricValues {
  readonly #catalogue: MetricCatalogue;
  readonly #level: string;
  readonly #values = new Map<string, MetricNumber>();
  readonly #weights = new Map<string, number>();
  readonly #untracked = new Map<string, unknown>();
  #isOpen = false;

  /** `level` is what its metrics are of, for messages. */
  constructor(catalogue: MetricCatalogue, level: string) {
    this.#catalogue = catalogue;
    this.#level = level;
  }

  /**
   * Sets the value of a metric in this scope; the last value counts.
   * @throws UnknownMetric when the catalogue has no such name
   * @throws NotAMetric when it is no number, and has none in it
   * @throws MetricOutOfScope when no such level is open
   */
  set(name: KnownMetric | Custom, value: MetricInput): void;
  /** Sets a value that callbacks may look at and no tracker records. */
  set(name: UntrackedName, value: unknown): void;
  set(name: string, value: unknown): void {
    const number = isUntracked(name) ? undefined : this.numberOf(name, value);
    this.#requireOpen(name);
    this.#weights.delete(name);
    if (number === undefined) this.#untracked.set(name, value);
    else this.#values.set(name, number);
  }

  /**
   * Adds one of several values, such as that of a batch to those of its epoch. They become one value as the catalogue
   * says (`over`): their mean, weighted by `weight`, their sum, the smallest or the largest. @throws as `set`
   */
  add(
    name: KnownMetric | Custom,
    value: MetricInput,
    { weight = 1 }: { readonly weight?: number } = {},
  ): void {
    const number = this.numberOf(name, value);
    this.#requireOpen(name);
    if (!(weight > 0 && Number.isFinite(weight)))
      throw new RangeError(`The weight of "${name}" is ${weight}, not a number above 0.`);
    const before = this.#weights.get(name) ?? 0;
    const so = before === 0 ? undefined : this.#values.get(name);
    this.#weights.set(name, before + weight);
    this.#values.set(name, joined(so, number, weight / (before + weight), this.#catalogue.kindOf(name)));
  }

  /** A value as it would be recorded under this name. @throws as `set`, but for the scope */
  numberOf(name: string, value: unknown): MetricNumber {
    return toMetricNumber(name, value, this.#catalogue.kindOf(name));
  }

  get(name: string): number | undefined {
    return this.#values.get(name)?.total;
  }

  untracked(name: UntrackedName): unknown {
    return this.#untracked.get(name);
  }

  entries(): IterableIterator<[name: string, value: MetricNumber]> {
    return this.#values.entries();
  }

  /** From now on it takes metrics; those of the level before are gone. */
  open(): void {
    this.#clear();
    this.#isOpen = true;
  }

  close(): void {
    this.#clear();
    this.#isOpen = false;
  }

  /** What was recorded so far, as JSON can hold it. */
  state(): ScopeState {
    return [...this.#values].map(([name, { total, labels }]) => ({
      ...{ name, weight: this.#weights.get(name) ?? 0, total: jsonNumber(total) },
      ...(labels !== undefined && {
        labels: Object.fromEntries(Object.entries(labels).map(([label, part]) => [label, jsonNumber(part)])),
      }),
    }));
  }

  /** Goes on from what another scope had recorded. */
  restore(state: ScopeState): void {
    for (const { name, weight, total, labels } of state) {
      const parts = Object.entries(labels ?? {}).map(([label, part]) => [label, Number(part)]);
      const number = {
        total: Number(total),
        ...(labels !== undefined && { labels: Object.fromEntries(parts) }),
      };
      this.#values.set(name, number);
      if (weight > 0) this.#weights.set(name, weight);
    }
  }

  #requireOpen(name: string): void {
    if (this.#isOpen) return;
    throw new MetricOutOfScope(
      `The metric "${name}" was set while no ${this.#level} is open, so it would be lost; set it inside of one, or track it.`,
    );
  }

  #clear(): void {
    this.#values.clear();
    this.#weights.clear();
    this.#untracked.clear();
  }
}

/** JSON has no NaN and no infinities: numbers that are not finite are kept by their names. */
export type ScopeState = readonly {
  readonly name: string;
  /** Sum of the weights of values that were added; 0 for one that was set. */
  readonly weight: number;
  readonly total: number | string;
  readonly labels?: Readonly<Record<string, number | string>>;
}[];

/** `share` is that of the new value in the mean. */
function joined(
  before: MetricNumber | undefined,
  next: MetricNumber,
  share: number,
  { over = 'mean' }: MetricKind,
): MetricNumber {
  if (before === undefined) return next;
  const join = (a: number, b: number) => OVER[over](a, b, share);
  if (next.labels === undefined || before.labels === undefined)
    return { total: join(before.total, next.total) };
  const labels = Object.entries(next.labels).map(([label, part]) => {
    const earlier = before.labels?.[label];
    return [label, earlier === undefined ? part : join(earlier, part)] as const;
  });
  return {
    total: join(before.total, next.total),
    labels: { ...before.labels, ...Object.fromEntries(labels) },
  };
}

const OVER = {
  mean: (a: number, b: number, share: number) => a * (1 - share) + b * share,
  sum: (a: number, b: number) => a + b,
  min: (a: number, b: number) => Math.min(a, b),
  max: (a: number, b: number) => Math.max(a, b),
} as const;
