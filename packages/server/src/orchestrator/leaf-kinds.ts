import type { PlannerEvent } from '@trainyard/dag';
import { type StageDefinition, type StageKind, stageKind } from '@trainyard/protocol';
import { approvalStage } from './approval-stage.ts';
import { stageAt } from './owned-tree.ts';
import { stageSpec } from './stage-spec.ts';
import type { TreeChanges } from './tree-changes.ts';

/** A leaf that the planner hands out, or wants ended. */
export interface Leaf {
  readonly changes: TreeChanges;
  readonly node: number;
  readonly attempt: number;
  readonly nowMs: number;
}

/** How the leaves of one stage kind are carried out. What is known at once is an event of the same tick. */
export interface LeafKind {
  /** Carries a try out: takes what has to be written into the changes. */
  start(leaf: Leaf): PlannerEvent | undefined;
  /** Asks a try to end; its end is told later, or is the event that is answered. */
  cancel(leaf: Leaf): PlannerEvent | undefined;
}

export function leafKindOf(stage: StageDefinition): LeafKind {
  return LEAF_KINDS[stageKind(stage) as LeafStageKind];
}

type LeafStageKind = Exclude<StageKind, 'pipeline'>;

/** Work for an agent: its attempt waits in a queue, and what becomes of it comes as facts. */
const agentWork: LeafKind = {
  start({ changes, node, attempt, nowMs }) {
    const { tree } = changes;
    const run = tree.runs[node]!;
    const resolved = stageSpec(tree, stageAt(tree, node)!, node, attempt);
    if (!resolved.ok) {
      const error = { code: 'expression', message: resolved.message };
      return { type: 'leaf_finished', node, attempt, outcome: 'failed', error };
    }
    run.params = resolved.params;
    run.queuedAt ??= new Date(nowMs).toISOString();
    changes.setStatus(node, 'queued');
    changes.attempts.push({ node, number: attempt, ...resolved.attempt });
    changes.addEvent(node, 'run.queued', nowMs, { attempt, queue: resolved.attempt.queue });
    return undefined;
  },
  cancel({ changes, node, attempt }) {
    changes.cancels.push({ node, attempt });
    return undefined;
  },
};

const LEAF_KINDS: Readonly<Record<LeafStageKind, LeafKind>> = {
  job: agentWork,
  http: agentWork,
  function: agentWork,
  approval: approvalStage,
};
