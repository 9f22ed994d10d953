import type { JsonValue } from '@trainyard/protocol';
import { resolveTemplates, type Templates } from '../definition/index.ts';
import { localDate, type Occurrences } from './occurrences.ts';

/** What a launch belongs to. */
export interface LaunchOwner {
  /** The schedule's name; the pipeline's for a backfill. */
  readonly name: string;
  readonly params: Templates;
  readonly timezone: string;
}

/**
 * The params of the run for one instant: `schedule` in their expressions has the fields of SCHEDULE_FIELDS.
 * @throws TrainyardError INVALID_PARAMS
 */
export function launchParams(
  owner: LaunchOwner,
  occurrences: Occurrences,
  atMs: number,
): Record<string, JsonValue> {
  if (Object.keys(owner.params).length === 0) return {};
  const previous = occurrences.before(atMs);
  const next = occurrences.after(atMs);
  return resolveTemplates(owner.params, 'schedule', {
    at: instant(atMs),
    previousAt: previous === null ? null : instant(previous),
    nextAt: next === null ? null : instant(next),
    date: localDate(atMs, owner.timezone),
    name: owner.name,
  });
}

/** Without milliseconds where there are none, as most programs expect it. */
function instant(ms: number): string {
  return new Date(ms).toISOString().replace('.000Z', 'Z');
}
