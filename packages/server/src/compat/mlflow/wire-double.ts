/**
 * A number as MLflow's servers send it: NaN as text, and infinities as the largest number there is, which is what they
 * store of them. Ours are kept; our own API tells them.
 */
export function wireDouble(value: number): number | 'NaN' {
  if (Number.isNaN(value)) return 'NaN';
  return Math.min(Math.max(value, -Number.MAX_VALUE), Number.MAX_VALUE);
}
