import type { PlannerEvent, TimerKind } from '@trainyard/dag';

/** Timers of the planner, and those of approvals, which are none of its business. */
export type DueKind = TimerKind | 'approval_timeout' | 'approval_escalation';

/** A timer, and whose tree it belongs to. */
export interface DueTimer {
  readonly rootId: string;
  /** When it was due, epoch ms. */
  readonly atMs: number;
  readonly node: number;
  readonly kind: DueKind;
  readonly attempt: number | undefined;
}

/** What the planner is told of it; `undefined` for a timer of an approval. */
export function timerEvent({ node, kind, attempt }: DueTimer): PlannerEvent | undefined {
  if (kind === 'approval_timeout' || kind === 'approval_escalation') return undefined;
  return attempt === undefined ? { type: 'timer', node, kind } : { type: 'timer', node, kind, attempt };
}
