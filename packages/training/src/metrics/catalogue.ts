import { closest } from '@trainyard/protocol';

/** What is known of a metric by its name. */
export interface MetricKind {
  /** Whether larger or smaller values are better, where that can be said. */
  readonly goal?: 'max' | 'min';
  /** How the parts of a value (a list, values by label) become its total; the mean if left out. */
  readonly total?: 'mean' | 'sum';
  /** How values that are added up over an epoch or a run become one; the mean if left out. */
  readonly over?: 'mean' | 'sum' | 'min' | 'max';
}

/** Metrics that every program has; what they mean is the program's matter. */
const KNOWN = {
  epoch: {},
  train_loss: { goal: 'min' },
  val_loss: { goal: 'min' },
  test_loss: { goal: 'min' },
  train_acc: { goal: 'max' },
  val_acc: { goal: 'max' },
  test_acc: { goal: 'max' },
  learning_rate: {},
  confusion: { total: 'sum', over: 'sum' },
} as const satisfies Record<string, MetricKind>;

/** Values that callbacks may look at and no tracker records. */
const UNTRACKED = ['network', 'data', 'labels', 'status', 'custom_untracked'] as const;

export type KnownMetric = keyof typeof KNOWN;
export type UntrackedName = (typeof UNTRACKED)[number];

/** A metric name that is not in the catalogue, or a second meaning for one that is. */
export class UnknownMetric extends Error {
  override readonly name = 'UnknownMetric';
}

/**
 * The names under which a program may record metrics. A name that is not in it is refused, for a metric that was
 * misspelled would be a curve that nobody looks at.
 */
export class MetricCatalogue {
  readonly #kinds = new Map<string, MetricKind>(Object.entries(KNOWN));

  constructor(custom: Readonly<Record<string, MetricKind>> = {}) {
    for (const [name, kind] of Object.entries(custom)) this.register(name, kind);
  }

  /**
   * Adds a metric of the program's own.
   * @throws UnknownMetric when the name cannot be one, or stands for something else already
   */
  register(name: string, kind: MetricKind = {}): void {
    if (!NAME.test(name)) {
      throw new UnknownMetric(
        `"${name}" cannot be the name of a metric: letters, digits, spaces and _ . - / are allowed, up to 250 of them.`,
      );
    }
    if (isUntracked(name))
      throw new UnknownMetric(`"${name}" is a value that is not recorded; choose another name.`);
    const known = this.#kinds.get(name);
    if (
      known !== undefined &&
      (known.goal !== kind.goal || known.total !== kind.total || known.over !== kind.over)
    ) {
      throw new UnknownMetric(`The metric "${name}" is in the catalogue already, with another meaning.`);
    }
    this.#kinds.set(name, kind);
  }

  /** @throws UnknownMetric with the name that was meant, perhaps, and with what to do */
  kindOf(name: string): MetricKind {
    const kind = this.#kinds.get(name);
    if (kind !== undefined) return kind;
    const meant = closest(name, [...this.#kinds.keys(), ...UNTRACKED]);
    const hint = meant === undefined ? '' : ` Did you mean "${meant}"?`;
    throw new UnknownMetric(
      `There is no metric "${name}".${hint} A metric of your own is registered first: metrics: { ${JSON.stringify(name)}: {} }.`,
    );
  }
}

export function isUntracked(name: string): name is UntrackedName {
  return (UNTRACKED as readonly string[]).includes(name);
}

const NAME = /^[\w][\w ./-]{0,249}$/;
