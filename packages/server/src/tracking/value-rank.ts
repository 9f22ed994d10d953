/**
 * What values of points that are equal in step and time are put in order by, as MLflow does: NaN counts as 0.
 * Infinities minus themselves would be no order.
 */
export function valueRank(value: number): number {
  if (Number.isNaN(value)) return 0;
  return Math.min(Math.max(value, -Number.MAX_VALUE), Number.MAX_VALUE);
}
