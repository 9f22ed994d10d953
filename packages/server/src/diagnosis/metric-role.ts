/** What a metric is, by its name. Rules look for roles, so that they work without being told any names. */
export const METRIC_ROLES = [
  'training_loss',
  'validation_loss',
  'partial_loss',
  'kl',
  'reward',
  'gpu_utilization',
  'gpu_memory',
  'cpu_utilization',
  'learning_rate',
] as const;
export type MetricRole = (typeof METRIC_ROLES)[number];

/**
 * The first that matches holds; undefined: no rule looks at it. Names are compared in lower case; `/`, `.` and `_`
 * part words.
 */
const NAMES: readonly (readonly [RegExp, MetricRole | undefined])[] = [
  // What a program remembers (the best loss so far, infinite at first) is no curve.
  [/(^|[/._])(best|min|max|lowest|highest)[/._]/, undefined],
  // Parts of trainings that play two sides against each other, or whose loss follows a reward, need not fall.
  [
    /(^|[/._])(policy(_gradient)?|pg|actor|value|vf|critic|qf?\d?|entropy|alpha|g|gen(erator)?|d|disc(riminator)?|adv(ersarial)?)[/._]loss([/._](step|epoch|mean|avg))?$/,
    'partial_loss',
  ],
  [
    /(^|[/._])(val|valid|validation|eval|test|dev)[/._](.*[/._])?loss([/._](step|epoch|mean|avg))?$/,
    'validation_loss',
  ],
  [/^(train(ing)?[/._])?(total_)?loss([/._](total|mean|avg|total_loss|step|epoch))?$/, 'training_loss'],
  [/loss([/._](step|epoch|mean|avg))?$/, 'partial_loss'],
  [/(^|[/._])(approx_|mean_)?kl([/._](mean|div|divergence|loss))?$/, 'kl'],
  [/(^|[/._])(mean_)?(ep(isode)?_)?(rewards?|rew|return)([/._]mean)?$/, 'reward'],
  [/(^|[/._])gpu([/._]\d+)?[/._](utilization|util|usage)([/._](percent|pct))?$/, 'gpu_utilization'],
  [/(^|[/._])gpu([/._]\d+)?[/._]mem(ory)?[/._](allocated|used)([/._](gb|gib|mb|mib|bytes))?$/, 'gpu_memory'],
  [/^(system[/._])?cpu[/._](utilization|util|usage)([/._](percent|pct))?$/, 'cpu_utilization'],
  [/(^|[/._])(lr|learning_rate)([/._-].*)?$/, 'learning_rate'],
];

/** The role of a metric key; undefined when no rule looks at it. */
export function metricRole(key: string): MetricRole | undefined {
  const name = key.toLowerCase();
  return NAMES.find(([pattern]) => pattern.test(name))?.[1];
}

/**
 * A divergence of which the name does not say that it is one of a policy: that of an autoencoder is called the same.
 */
export function isAnyDivergence(key: string): boolean {
  return /^((train(ing)?|val(id(ation)?)?|test|eval)[/._])?kl([/._](loss|div|divergence))?([/._](step|epoch))?$/.test(
    key.toLowerCase(),
  );
}

/** Of a validation loss, the training loss beside it: `val_loss` and `loss`, `head/val_loss` and `head/loss`. */
export function lossFamily(key: string): string {
  return key
    .toLowerCase()
    .replace(/(^|[/._])(train|training|val|valid|validation|eval|test|dev)([/._])/g, '$1')
    .replace(/[/._](step|epoch|mean|avg)$/, '')
    .replace(/[/._]+/g, '/');
}
