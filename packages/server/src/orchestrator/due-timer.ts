import type { PlannerEvent, TimerKind } from '@trainyard/dag';

/** A timer of the planner, and whose tree it belongs to. */
export interface DueTimer {
  readonly rootId: string;
  readonly node: number;
  readonly kind: TimerKind;
  readonly attempt: number | undefined;
}

export function timerEvent(timer: DueTimer): PlannerEvent {
  const { node, kind, attempt } = timer;
  return attempt === undefined ? { type: 'timer', node, kind } : { type: 'timer', node, kind, attempt };
}
