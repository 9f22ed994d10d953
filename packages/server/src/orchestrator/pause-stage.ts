import { type Effect, nodeSnapshot, type PlannerEvent } from '@trainyard/dag';
import type { Fact } from './facts.ts';
import { nodeAt, stageAt } from './owned-tree.ts';
import type { TreeChanges } from './tree-changes.ts';

type FactOf<K extends Fact['kind']> = Extract<Fact, { kind: K }>;

/** Why a stage is pending that was paused before it could start. */
const BEFORE_ITS_TURN = 'paused before its turn';

/** Takes in that a person wants a run or a stage to stand still, or to go on. */
export function takePauseWish(
  changes: TreeChanges,
  fact: FactOf<'pause'> | FactOf<'resume'>,
): PlannerEvent | undefined {
  const { node, kind, at } = fact;
  const wasHeld = nodeSnapshot(changes.tree.state, node).isHeld === true;
  const run = changes.tree.runs[node]!;
  if (run.endedAt !== null || (kind === 'pause' && wasHeld)) return undefined;
  if (kind === 'pause') {
    changes.pauseMode = fact.mode;
    changes.addEvent(node, 'run.pause_requested', at, { mode: fact.mode });
    if (run.status === 'pending') tellHold(changes, node, BEFORE_ITS_TURN);
  } else {
    // Who lets a pipeline go on lets all inside go on.
    for (const [inside, { path, reason }] of changes.tree.runs.entries()) {
      const isThere = inside === node || node === 0 || path.startsWith(`${run.path}/`);
      if (isThere && reason === BEFORE_ITS_TURN) tellHold(changes, inside, null);
    }
    changes.addEvent(node, 'run.resume_requested', at, { attempt: run.attempt });
  }
  return { type: kind, node };
}

/** A stage that does not start because of a pause has no status of its own; this says why it is pending. */
function tellHold(changes: TreeChanges, node: number, reason: string | null): void {
  changes.tree.runs[node]!.reason = reason;
  changes.touch(node);
}

/** Carries out what the planner says about a node: a group is paused by that, a leaf when its program halts. */
export function tellPause(
  changes: TreeChanges,
  effect: Extract<Effect, { type: 'pause_node' | 'resume_node' }>,
  nowMs: number,
): void {
  const { node, attempt } = effect;
  const isPause = effect.type === 'pause_node';
  const mode = isPause ? changes.pauseMode : null;
  const { isGroup } = nodeAt(changes.tree, node);
  const isAsking = !isGroup && stageAt(changes.tree, node)?.approval !== undefined;
  if (!isGroup && !isAsking) {
    changes.pauses.push({ node, attempt, mode });
    return;
  }
  // Who is asked may decide all the same; only the time that there is for it stands still.
  if (effect.type === 'resume_node' && isAsking) changes.approvalShifts.push({ node, byMs: effect.stoodMs });
  changes.setStatus(node, isPause ? 'paused' : isAsking ? 'waiting' : 'running');
  if (isPause) changes.addEvent(node, 'run.paused', nowMs, { attempt, mode, note: null });
  else changes.addEvent(node, 'run.resumed', nowMs, { attempt });
}

/** Takes in that the program of a leaf has halted or goes on, or that its attempt left the queue or is back. */
export function takeHalt(changes: TreeChanges, fact: FactOf<'paused'> | FactOf<'resumed'>): void {
  const { node, attempt, at } = fact;
  const run = changes.tree.runs[node]!;
  if (run.status === 'cancelling') return;
  if (fact.kind === 'resumed' && fact.claimBy)
    changes.timers.push({ atMs: fact.claimBy, node, kind: 'queue_timeout', attempt });
  const isPaused = nodeSnapshot(changes.tree.state, node).isPaused === true;
  if (fact.kind === 'paused') {
    // It may go on by now: then the agent tells so next.
    if (!isPaused || run.status === 'paused') return;
    changes.setStatus(node, 'paused');
    changes.addEvent(node, 'run.paused', at, { attempt, mode: fact.mode, note: fact.note });
  } else if (run.status === 'paused' && !isPaused) {
    changes.setStatus(node, fact.isQueued === true ? 'queued' : 'running');
    changes.addEvent(node, 'run.resumed', at, { attempt });
  }
}
