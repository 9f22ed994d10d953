import type { Direction } from './best-candidate.ts';

export interface KeepBestOptions {
  /** How many to keep, 0 or more. The selected one is kept in any case and counts if it is among the best. */
  readonly keep: number;
  readonly metric: string;
  readonly direction: Direction;
  /** Path that must stay, whatever its metric. */
  readonly selected: string | undefined;
}

export interface KeepBestPlan {
  readonly kept: readonly string[];
  readonly deleted: readonly string[];
  /** Without a finite metric. They stay and take no place among the best: unknown is not the same as bad. */
  readonly unmeasured: readonly string[];
}

/**
 * Decides which checkpoints stay. Of equal ones the later in the list counts as better, because it has
 * seen more data; a path that is listed twice counts once, with its first record.
 */
export function planKeepBest(
  checkpoints: readonly Readonly<{ path: string } & Record<string, unknown>>[],
  options: KeepBestOptions,
): KeepBestPlan {
  const firstOf = new Map(checkpoints.toReversed().map((each) => [each.path, each]));
  const unique = checkpoints.filter((each) => firstOf.get(each.path) === each);
  const metricOf = (checkpoint: Readonly<Record<string, unknown>>) => {
    const value = checkpoint[options.metric];
    return typeof value === 'number' ? value : Number.NaN;
  };
  const measured = unique.filter((each) => Number.isFinite(metricOf(each)));
  const sign = options.direction === 'max' ? -1 : 1;
  const best = measured.toReversed().sort((a, b) => sign * (metricOf(a) - metricOf(b)));
  const stays = new Set(best.slice(0, options.keep).map((each) => each.path));
  if (options.selected !== undefined) stays.add(options.selected);
  const pathsOf = (list: typeof unique) => list.map((each) => each.path);
  return {
    kept: pathsOf(measured.filter((each) => stays.has(each.path))),
    deleted: pathsOf(measured.filter((each) => !stays.has(each.path))),
    unmeasured: pathsOf(unique.filter((each) => !measured.includes(each))),
  };
}
