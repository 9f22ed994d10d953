import { isUntracked, type KnownMetric, type MetricCatalogue, type UntrackedName } from './catalogue.ts';
import { type MetricInput, type MetricNumber, toMetricNumber } from './metric-value.ts';

/** The metrics of one scope, as callbacks see them. */
export interface MetricValues {
  /** The total of a metric; `undefined` when it was not recorded. */
  get(name: string): number | undefined;
  /** A value that no tracker records, such as the network. */
  untracked(name: UntrackedName): unknown;
  /** All that is recorded, in the order in which it was set. */
  entries(): IterableIterator<[name: string, value: MetricNumber]>;
}

/**
 * The metrics of a run, an epoch or a batch while it goes on. They are recorded at its end, and then it is empty:
 * nothing of one epoch is ever in the next.
 */
export class MetricScope<Custom extends string = never> implements MetricValues {
  readonly #catalogue: MetricCatalogue;
  readonly #values = new Map<string, MetricNumber>();
  readonly #untracked = new Map<string, unknown>();

  constructor(catalogue: MetricCatalogue) {
    this.#catalogue = catalogue;
  }

  /**
   * Sets the value of a metric in this scope; the last value counts.
   * @throws UnknownMetric when the catalogue has no such name
   * @throws NotAMetric when it is no number, and has none in it
   */
  set(name: KnownMetric | Custom, value: MetricInput): void;
  /** Sets a value that callbacks may look at and no tracker records. */
  set(name: UntrackedName, value: unknown): void;
  set(name: string, value: unknown): void {
    if (isUntracked(name)) this.#untracked.set(name, value);
    else this.#values.set(name, this.numberOf(name, value));
  }

  /** A value as it would be recorded under this name. @throws as `set` */
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

  clear(): void {
    this.#values.clear();
    this.#untracked.clear();
  }
}
