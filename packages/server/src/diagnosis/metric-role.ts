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
] as const;
export type MetricRole = (typeof METRIC_ROLES)[number];

/** The first that matches holds. Names are compared in lower case; `/`, `.` and `_` part words. */
const NAMES: readonly (readonly [RegExp, MetricRole])[] = [
  [/(^|[/._])(val|valid|validation|eval|test)[/._](.*[/._])?loss$/, 'validation_loss'],
  [/^(train(ing)?[/._])?(total_)?loss([/._](total|mean|total_loss))?$/, 'training_loss'],
  [/loss$/, 'partial_loss'],
  [/(^|[/._])(approx_|mean_)?kl([/._](mean|div|divergence|loss))?$/, 'kl'],
  [/(^|[/._])(mean_|episode_)?reward([/._]mean)?$/, 'reward'],
  [/(^|[/._])gpu([/._]\d+)?[/._](utilization|util|usage)([/._](percent|pct))?$/, 'gpu_utilization'],
  [/(^|[/._])gpu([/._]\d+)?[/._]mem(ory)?[/._](allocated|used)([/._](gb|gib|mb|mib|bytes))?$/, 'gpu_memory'],
  [/^(system[/._])?cpu[/._](utilization|util|usage)([/._](percent|pct))?$/, 'cpu_utilization'],
];

/** The role of a metric key; undefined when no rule looks at it. */
export function metricRole(key: string): MetricRole | undefined {
  const name = key.toLowerCase();
  return NAMES.find(([pattern]) => pattern.test(name))?.[1];
}

/** Of a validation loss, the training loss beside it: `val_loss` and `loss`, `head/val_loss` and `head/loss`. */
export function lossFamily(key: string): string {
  return key
    .toLowerCase()
    .replace(/(^|[/._])(train|training|val|valid|validation|eval|test)([/._])/g, '$1')
    .replace(/[/._]+/g, '/');
}
