import type { PlannerEvent, StopReason } from '@trainyard/dag';
import { type AttemptCache, type StageDefinition, type StageKind, stageKind } from '@trainyard/protocol';
import { agentWork } from './agent-work.ts';
import { approvalStage } from './approval-stage.ts';
import { selectBestStage } from './select-best-stage.ts';
import type { TreeChanges } from './tree-changes.ts';

/** A leaf that the planner hands out, or wants ended. */
export interface Leaf {
  readonly changes: TreeChanges;
  readonly node: number;
  readonly attempt: number;
  readonly nowMs: number;
  /** For the agent, where the cache of the stage depends on files. */
  readonly cache?: AttemptCache | undefined;
}

/** How the leaves of one stage kind are carried out. What is known at once is an event of the same tick. */
export interface LeafKind {
  /** Carries a try out: takes what has to be written into the changes. */
  start(leaf: Leaf): PlannerEvent | undefined;
  /** Asks a try to end; its end is told later, or is the event that is answered. */
  cancel(leaf: Leaf & { readonly reason: StopReason }): PlannerEvent | undefined;
}

export function leafKindOf(stage: StageDefinition): LeafKind {
  return LEAF_KINDS[stageKind(stage) as LeafStageKind];
}

type LeafStageKind = Exclude<StageKind, 'pipeline'>;

const LEAF_KINDS: Readonly<Record<LeafStageKind, LeafKind>> = {
  job: agentWork,
  http: agentWork,
  function: agentWork,
  approval: approvalStage,
  train_model: agentWork,
  run_evaluation: agentWork,
  preprocess_dataset: agentWork,
  cleanup_checkpoints: agentWork,
  select_best: selectBestStage,
};
