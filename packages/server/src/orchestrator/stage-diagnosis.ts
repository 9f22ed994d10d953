import { type Diagnosis, type DiagnosisPlan, diagnosisPlan, type StageDefinition } from '@trainyard/protocol';
import { nodeAt, type OwnedTree, stageAt } from './owned-tree.ts';

/**
 * What is looked for in the metrics of a stage: what the pipelines around it say, the inner ones later, then
 * itself. Undefined when nobody says anything, which is what most stages do.
 */
export function stageDiagnosis(
  tree: OwnedTree,
  stage: StageDefinition,
  node: number,
): DiagnosisPlan | undefined {
  const said: (Diagnosis | undefined)[] = [stage.diagnosis];
  for (let at = nodeAt(tree, node).parent; at > 0; at = nodeAt(tree, at).parent) {
    // The items of a foreach are copies of the same pipeline.
    if (nodeAt(tree, at).foreach === null) said.unshift(stageAt(tree, at)?.pipeline?.diagnosis);
  }
  said.unshift(tree.definition.diagnosis);
  const isTraining = stage.train_model !== undefined;
  if (!isTraining && said.every((each) => each === undefined)) return undefined;
  return diagnosisPlan(said, isTraining ? 'critical' : 'never');
}
