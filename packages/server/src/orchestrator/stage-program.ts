import { type AttemptSpec, type FailurePattern, type StageDefinition, stageKind } from '@trainyard/protocol';
import { nodeAt, type OwnedTree, stageAt } from './owned-tree.ts';

/** What a stage says of how its program is watched and ended, whatever its kind. */
export function stageProgram(
  tree: OwnedTree,
  stage: StageDefinition,
  node: number,
): Pick<AttemptSpec, 'stopSignal' | 'stallMs' | 'failures' | 'jobToken' | 'metricsFromLog'> {
  const { stopSignal, stallTimeout, jobToken, metricsFromLog } = (stage[stageKind(stage)] ?? {}) as Pick<
    AttemptSpec,
    'stopSignal' | 'jobToken' | 'metricsFromLog'
  > & { readonly stallTimeout?: number };
  const failures = patternsOf(tree, stage, node);
  return {
    ...(stopSignal === undefined ? {} : { stopSignal }),
    ...(stallTimeout === undefined ? {} : { stallMs: stallTimeout }),
    ...(failures.length === 0 ? {} : { failures }),
    ...(jobToken === undefined ? {} : { jobToken }),
    ...(metricsFromLog === undefined ? {} : { metricsFromLog }),
  };
}

/** Those of the stage come first, then those of the pipelines around it, the inner ones before the outer. */
function patternsOf(tree: OwnedTree, stage: StageDefinition, node: number): FailurePattern[] {
  const found = [...(stage.failures ?? [])];
  for (let at = nodeAt(tree, node).parent; at > 0; at = nodeAt(tree, at).parent) {
    // The items of a foreach are copies of the same pipeline.
    if (nodeAt(tree, at).foreach === null) found.push(...(stageAt(tree, at)?.pipeline?.failures ?? []));
  }
  return [...found, ...(tree.definition.failures ?? [])];
}
