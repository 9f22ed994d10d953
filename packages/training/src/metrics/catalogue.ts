/** What is known of a metric by its name. */
export interface MetricKind {
  /** Whether larger or smaller values are better, where that can be said. */
  readonly goal?: 'max' | 'min';
  /** How the parts of a value (a list, values by label) become its total; the mean if left out. */
  readonly total?: 'mean' | 'sum';
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
  confusion: { total: 'sum' },
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
    if (known !== undefined && (known.goal !== kind.goal || known.total !== kind.total)) {
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

/** The name that differs in the fewest characters, if it does not differ in more than a third of them. */
function closest(name: string, names: readonly string[]): string | undefined {
  const ranked = names
    .map((each) => ({ each, distance: distance(name.toLowerCase(), each.toLowerCase()) }))
    .sort((a, b) => a.distance - b.distance);
  const best = ranked[0];
  return best !== undefined && best.distance <= Math.max(1, name.length / 3) ? best.each : undefined;
}

/** Number of characters to insert, remove or replace (Levenshtein). */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i += 1) {
    const next = [i];
    for (let j = 1; j <= b.length; j += 1) {
      const replaced = row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(replaced, row[j]! + 1, next[j - 1]! + 1));
    }
    row = next;
  }
  return row[b.length]!;
}
