import type { PlannerEvent, TimerKind } from '@trainyard/dag';

/** Timers of the planner, and those of approvals and queues, which are none of its business. */
export type DueKind = TimerKind | 'approval_timeout' | 'approval_escalation' | 'queue_timeout';

/** A timer, and whose tree it belongs to. */
export interface DueTimer {
  readonly rootId: string;
  /** When it was due, epoch ms. */
  readonly atMs: number;
  readonly node: number;
  readonly kind: DueKind;
  readonly attempt: number | undefined;
}

/** What the planner is told of it; `undefined` for a timer that is none of its own. */
export function timerEvent({ node, kind, attempt }: DueTimer): PlannerEvent | undefined {
  if (kind === 'approval_timeout' || kind === 'approval_escalation' || kind === 'queue_timeout')
    return undefined;
  return attempt === undefined ? { type: 'timer', node, kind } : { type: 'timer', node, kind, attempt };
}
