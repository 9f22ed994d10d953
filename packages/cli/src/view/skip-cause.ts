import type { RunTree } from '@trainyard/protocol';

/**
 * The stage because of which another one of the same level was skipped: where a chain was skipped, its head.
 * `undefined` where the reason is no dependency.
 */
export function skipCause(run: RunTree, siblings: ReadonlyMap<string, RunTree>): RunTree | undefined {
  if (run.reason !== 'upstream_failed' && run.reason !== 'upstream_skipped') return undefined;
  let cause: RunTree | undefined;
  // Dependencies have no cycles, and each step goes from a stage to what it depends on.
  for (let at: RunTree | undefined = run; at?.reason === run.reason && at.status === 'skipped'; ) {
    const next = firstCause(at, siblings);
    if (next === undefined) break;
    cause = next;
    at = next;
  }
  return cause;
}

function firstCause({ reason, dependsOn }: RunTree, siblings: ReadonlyMap<string, RunTree>) {
  let first: RunTree | undefined;
  for (const name of dependsOn) {
    const other = siblings.get(name);
    if (other === undefined || !canCause(other, reason)) continue;
    if (first === undefined || (other.endedAt ?? '') < (first.endedAt ?? '')) first = other;
  }
  return first;
}

function canCause({ status, reason: its }: RunTree, reason: string | null): boolean {
  if (status === 'skipped') return reason === 'upstream_skipped' || its === reason;
  return reason === 'upstream_failed' && FAILED.has(status);
}

const FAILED: ReadonlySet<string> = new Set(['failed', 'timed_out', 'cancelled']);

/** The stages of one level by name, without items of a foreach. */
export function byName(level: readonly RunTree[]): ReadonlyMap<string, RunTree> {
  return new Map(level.map((run) => [run.name, run]));
}
