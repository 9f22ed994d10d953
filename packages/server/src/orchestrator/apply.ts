import { decide, type Effect, isTerminal, nodeSnapshot, type PlannerEvent } from '@trainyard/dag';
import { stageCache } from '@trainyard/protocol';
import { asOneDecision } from '../definition/expression-work.ts';
import { instantText } from '../store/instant-text.ts';
import { answerQuestion } from './answer-question.ts';
import { approvalTimedOut, takeDecision, takeEscalation } from './approval-stage.ts';
import { type DueTimer, timerEvent } from './due-timer.ts';
import { endRun, noteEnd } from './end-run.ts';
import type { Fact } from './facts.ts';
import { storeOutputs } from './group-outputs.ts';
import { isFinal, plannerError, plannerOutcome } from './judge-finished.ts';
import { leafKindOf } from './leaf-kinds.ts';
import { nodeAt, type OwnedTree, stageAt } from './owned-tree.ts';
import { takeHalt, takePauseWish, tellPause } from './pause-stage.ts';
import { errorOfRun } from './plain-error.ts';
import { queueTimedOut } from './queue-timeout.ts';
import { reasonOfTaken, takeKept, takeReportedCache } from './taken-over.ts';
import type { TreeChanges } from './tree-changes.ts';
import { triesLeftOut } from './tries-left.ts';

/** Takes one fact of the inbox into the tree. Facts about anything but the newest attempt change nothing. */
export function applyFact(changes: TreeChanges, fact: Fact, nowMs: number): void {
  const { tree } = changes;
  const run = tree.runs[fact.node];
  if (run === undefined) return;
  if (fact.kind === 'cancel') {
    changes.addEvent(fact.node, 'run.cancel_requested', fact.at, { reason: fact.reason });
    applyEvent(changes, { type: 'cancel', node: fact.node, reason: fact.reason }, nowMs);
    return;
  }
  if (fact.kind === 'pause' || fact.kind === 'resume') {
    const event = takePauseWish(changes, fact);
    if (event !== undefined) applyEvent(changes, event, nowMs);
    return;
  }
  if (fact.kind === 'metrics_problem') {
    const { line, offset, problem } = fact;
    changes.addEvent(fact.node, 'metrics.problem', fact.at, { line, offset, problem });
    return;
  }
  if (fact.kind === 'finding') {
    changes.addEvent(fact.node, `finding.${fact.change}`, fact.at, fact.data);
    return;
  }
  if (fact.kind === 'admitted') {
    if (run.status === 'queued') applyEvent(changes, { type: 'start' }, nowMs);
    return;
  }
  if (fact.attempt !== run.attempt || run.endedAt !== null) return;
  switch (fact.kind) {
    case 'claimed':
      if (run.status === 'queued') changes.setStatus(fact.node, 'starting');
      changes.addEvent(fact.node, 'attempt.claimed', fact.at, { attempt: fact.attempt, agent: fact.agent });
      return;
    case 'started':
      if (run.status === 'queued' || run.status === 'starting') changes.setStatus(fact.node, 'running');
      run.startedAt ??= instantText(fact.at);
      changes.addEvent(fact.node, 'run.started', fact.at, { attempt: fact.attempt });
      applyEvent(changes, { type: 'leaf_started', node: fact.node, attempt: fact.attempt }, nowMs);
      changes.touch(fact.node);
      return;
    case 'paused':
    case 'resumed':
      takeHalt(changes, fact);
      return;
    case 'unreachable':
      changes.addEvent(fact.node, 'attempt.unreachable', fact.at, {
        attempt: fact.attempt,
        since: instantText(fact.at),
      });
      return;
    case 'finished':
      applyFinished(changes, fact, nowMs);
      return;
    case 'approval':
      applyEvent(changes, takeDecision(changes, fact), nowMs);
      return;
    case 'approval_moved':
      changes.timers.push({ ...fact, kind: fact.timer, atMs: fact.timeoutAt });
      return;
    case 'approval_escalated':
      takeEscalation(changes, fact);
      return;
    default:
      fact satisfies never;
  }
}

/** Takes a timer that has rung. */
export function applyTimer(changes: TreeChanges, timer: DueTimer, nowMs: number): void {
  const event = timerEvent(timer);
  if (timer.kind === 'queue_timeout') queueTimedOut(changes, timer);
  else if (event === undefined) approvalTimedOut(changes, timer, nowMs);
  else applyEvent(changes, event, nowMs);
}

/**
 * Lets the planner decide and takes its effects into rows, attempts, timers and events. What the event itself ends
 * has ended at `endedMs`, which may be long before it is taken in; all that is decided of new happens now.
 */
export function applyEvent(
  changes: TreeChanges,
  event: PlannerEvent,
  nowMs: number,
  endedMs: number = nowMs,
): void {
  asOneDecision(() => applyAll(changes, event, nowMs, endedMs));
}

function applyAll(changes: TreeChanges, event: PlannerEvent, nowMs: number, endedMs: number): void {
  const { tree } = changes;
  // Answers and stages that end at once are events of the same tick, not nested calls.
  const queue: PlannerEvent[] = [event];
  for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
    const decision = decide(tree.plan, tree.state, next, nowMs);
    tree.state = decision.state;
    for (const expansion of decision.expansions) changes.grow(expansion, nowMs);
    for (const node of decision.changed) {
      changes.touch(node);
      noteFirstFailure(tree, node);
    }
    for (const effect of decision.effects) {
      const isEnd = next === event && effect.type === 'node_status' && isTerminal(effect.status);
      const followUp = applyEffect(changes, effect, isEnd ? endedMs : nowMs, next);
      if (followUp !== undefined) queue.push(followUp);
    }
    for (const question of decision.questions) queue.push(answerQuestion(changes, question));
  }
}

/** That a pipeline will fail, and why, is told as soon as it is known, not only at its end. */
function noteFirstFailure(tree: OwnedTree, node: number): void {
  const run = tree.runs[node]!;
  if (run.error !== null || !nodeAt(tree, node).isGroup) return;
  const { error } = nodeSnapshot(tree.state, node);
  if (error !== null) run.error = errorOfRun(error);
}

function applyFinished(changes: TreeChanges, fact: Extract<Fact, { kind: 'finished' }>, nowMs: number): void {
  const run = changes.tree.runs[fact.node]!;
  run.outputs = fact.outputs;
  for (const dataset of fact.datasets)
    changes.addEvent(fact.node, 'dataset.recorded', fact.at, { ...dataset });
  for (const checkpoint of fact.checkpoints ?? [])
    changes.addEvent(fact.node, 'checkpoint.recorded', fact.at, { ...checkpoint });
  const { attempt, outcome, exitCode, signal, error: reported, reason, failure } = fact;
  changes.addEvent(fact.node, 'attempt.finished', fact.at, {
    ...{ attempt, outcome, exitCode, signal, error: reported },
    ...(reason === undefined ? {} : { reason }),
    ...(failure === undefined ? {} : { failure }),
  });
  if (fact.outcome === 'released') {
    const { attempt, at, resumePoint = null } = fact;
    changes.addEvent(fact.node, 'run.released', at, { attempt, checkpoint: resumePoint });
  }
  changes.touch(fact.node);
  const taken = takeReportedCache(changes, fact);
  const error = plannerError(fact);
  applyEvent(
    changes,
    taken ?? {
      type: 'leaf_finished',
      node: fact.node,
      attempt: fact.attempt,
      outcome: plannerOutcome(fact),
      ...(error === undefined ? {} : { error }),
      ...(isFinal(changes.tree, fact) && { isFinal: true }),
    },
    nowMs,
    Math.min(fact.at, nowMs),
  );
  if (run.status === 'stopped') run.reason ??= fact.reason ?? null;
}

function applyEffect(
  changes: TreeChanges,
  effect: Effect,
  nowMs: number,
  cause: PlannerEvent,
): PlannerEvent | undefined {
  const { tree } = changes;
  switch (effect.type) {
    case 'node_ready': {
      const node = nodeAt(tree, effect.node);
      const parent = node.parent < 0 ? null : tree.runs[node.parent]!.path;
      changes.addEvent(effect.node, 'run.ready', nowMs, { indegree: node.dependencyCount, parent });
      return undefined;
    }
    case 'start_leaf':
      return startLeaf(changes, effect.node, effect.attempt, nowMs);
    case 'cancel_leaf':
      return leafKindOf(stageAt(tree, effect.node)!).cancel({ changes, nowMs, ...effect });
    case 'pause_node':
    case 'resume_node':
      tellPause(changes, effect, nowMs);
      return undefined;
    case 'set_timer':
      changes.timers.push({ atMs: effect.at, node: effect.node, kind: effect.kind, attempt: effect.attempt });
      return undefined;
    case 'node_status':
      applyStatus(changes, effect, nowMs, triesLeftOut(tree, cause, effect));
      return undefined;
    case 'finished':
      return undefined;
    default:
      return effect satisfies never;
  }
}

function startLeaf(
  changes: TreeChanges,
  node: number,
  attempt: number,
  nowMs: number,
): PlannerEvent | undefined {
  const { tree } = changes;
  const run = tree.runs[node]!;
  run.attempt = attempt;
  // What the last try ended with is told by its attempt; it says nothing of this one.
  run.reason = null;
  run.error = null;
  changes.touch(node);
  const kept = takeKept(changes, node, attempt, nowMs);
  if (kept !== undefined) return kept;
  if (stageCache(stageAt(tree, node)!) !== undefined) {
    changes.cacheable.push({ node, attempt });
    return undefined;
  }
  return leafKindOf(stageAt(tree, node)!).start({ changes, node, attempt, nowMs });
}

function applyStatus(
  changes: TreeChanges,
  effect: Extract<Effect, { type: 'node_status' }>,
  nowMs: number,
  triesLeft: number,
): void {
  const { tree } = changes;
  const run = tree.runs[effect.node]!;
  const { isGroup } = nodeAt(tree, effect.node);
  if (effect.error !== undefined)
    run.error = { ...errorOfRun(effect.error), ...(triesLeft > 0 && { triesLeft }) };
  run.reason = effect.reason ?? reasonOfTaken(run) ?? untoldDeadline(tree, effect.node);
  changes.touch(effect.node);
  switch (effect.status) {
    case 'pending':
      return;
    case 'active':
      // A leaf is handed out by start_leaf, which says more.
      if (!isGroup) return;
      run.startedAt = instantText(nowMs);
      changes.setStatus(effect.node, 'running');
      changes.addEvent(effect.node, 'run.started', nowMs, { attempt: 1 });
      return;
    case 'waiting_retry':
      if (effect.reason === 'released') {
        changes.setStatus(effect.node, 'paused');
        return;
      }
      changes.setStatus(effect.node, 'waiting');
      changes.addEvent(effect.node, 'run.retry_scheduled', nowMs, {
        attempt: run.attempt,
        retryAt: isoOrNull(nodeSnapshot(tree.state, effect.node).retryAt),
        error: run.error,
      });
      return;
    case 'cancelling':
      changes.setStatus(effect.node, 'cancelling');
      changes.addEvent(effect.node, 'run.cancelling', nowMs, { reason: run.reason });
      return;
    case 'skipped':
      changes.addEvent(effect.node, 'run.skipped', noteEnd(changes, effect.node, 'skipped', nowMs), {
        reason: run.reason,
        upstream: effect.upstream === undefined ? null : tree.runs[effect.upstream]!.path,
      });
      return;
    default:
      // An error of an earlier try does not describe a run that ended well.
      if (effect.status === 'completed' || effect.status === 'stopped') run.error = null;
      if (isGroup) storeOutputs(tree, effect.node);
      endRun(changes, effect.node, effect.status, nowMs);
  }
}

/** That a deadline ended a pipeline, where its error tells of a stage that had failed before. */
function untoldDeadline(tree: OwnedTree, node: number): 'deadline' | null {
  const { path, error } = tree.runs[node]!;
  const isEndedByIt = nodeAt(tree, node).isGroup && nodeSnapshot(tree.state, node).stopReason === 'deadline';
  if (!isEndedByIt) return null;
  const { path: from } = error ?? {};
  const isTold = error?.code === 'deadline' && (!from || from === path || path.startsWith(`${from}/`));
  return isTold ? null : 'deadline';
}

function isoOrNull(ms: number | null): string | null {
  return ms === null ? null : instantText(ms);
}
