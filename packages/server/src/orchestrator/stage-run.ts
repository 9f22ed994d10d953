import type { PlanNode } from '@trainyard/dag';
import {
  lastStages,
  newId,
  type PipelineBody,
  type Run,
  type RunKind,
  type StageDefinition,
  stageKind,
} from '@trainyard/protocol';
import { instantText } from '../store/instant-text.ts';
import type { OwnedTree } from './owned-tree.ts';

/** The first row of a node: everything that is known of it before anything happens. */
export function stageRun(
  tree: Pick<OwnedTree, 'rootId' | 'definition' | 'stages' | 'runs'>,
  { node, level, nowMs }: { readonly node: PlanNode; readonly level: PipelineBody; readonly nowMs: number },
): Run {
  const isRoot = node.index === 0;
  const stage = tree.stages[node.source] ?? null;
  return {
    id: isRoot ? tree.rootId : newId('run', nowMs),
    rootId: tree.rootId,
    parentId: isRoot ? null : tree.runs[node.parent]!.id,
    kind: stage === null || node.isGroup ? 'pipeline' : runKindOf(stage),
    name: isRoot ? tree.definition.name : node.name,
    path: node.path,
    depth: node.depth,
    index: node.index,
    item: null,
    status: 'pending',
    reason: null,
    error: null,
    params: {},
    outputs: null,
    // What a foreach stage depends on is the group's matter; its items have nothing to wait for.
    dependsOn: stage === null || node.item !== null ? [] : shownDependencies(stage, level),
    attempt: 0,
    createdAt: instantText(nowMs),
    queuedAt: null,
    startedAt: null,
    endedAt: null,
  };
}

/** A hook waits for everything, but is drawn behind what comes last. */
function shownDependencies(stage: StageDefinition, level: PipelineBody): string[] {
  return stage.hook === undefined ? [...stage.dependsOn] : [...lastStages(level.stages)];
}

function runKindOf(stage: StageDefinition): RunKind {
  const kind = stageKind(stage);
  return kind === 'pipeline' || kind === 'approval' ? kind : 'job';
}
