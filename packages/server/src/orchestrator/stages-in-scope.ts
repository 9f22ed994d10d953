import type { JsonValue } from '@trainyard/protocol';
import { expressionReferences } from '../definition/expression-references.ts';
import type { StageInScope } from '../definition/expressions.ts';
import { findVisible, levelOf, visibleOnLevel } from '../definition/visible-stages.ts';
import { outputsOf } from './group-outputs.ts';
import { childrenOf, nodeAt, type OwnedTree, stageAt } from './owned-tree.ts';
import { usedBodyAt } from './used-unit.ts';

/**
 * The stages that the expressions of a value speak of, by name: by the rule of `visibleStages`, those that the
 * stage or one of the pipelines around it depends on, the inner ones hiding the outer ones. Others are left out, so
 * a stage of a very wide pipeline does not pay for its siblings.
 */
export function stagesInScope(
  tree: OwnedTree,
  node: number,
  value: JsonValue | undefined,
): Record<string, StageInScope> {
  const found: Record<string, StageInScope> = {};
  const names = namesOfStages(value);
  if (names !== 'all' && names.size === 0) return found;
  for (let at = node; at > 0; at = nodeAt(tree, at).parent) {
    if (at !== node && usedBodyAt(tree, at) !== undefined) break;
    // An item stands for the same stage as its foreach, which is the one on the level.
    if (nodeAt(tree, at).item !== null) continue;
    for (const stage of seenFrom(tree, at, names)) {
      const { name } = tree.runs[stage]!;
      if (!Object.hasOwn(found, name)) found[name] = stageInScope(tree, stage);
    }
  }
  return found;
}

/** Names after `stages`; `all` when one is computed. */
function namesOfStages(value: JsonValue | undefined): ReadonlySet<string> | 'all' {
  const names = new Set<string>();
  for (const { root, name } of expressionReferences(value)) {
    if (root !== 'stages') continue;
    if (name === undefined) return 'all';
    names.add(name);
  }
  return names;
}

/** Nodes of the level of `node` that it may refer to. */
function seenFrom(tree: OwnedTree, node: number, names: ReadonlySet<string> | 'all'): number[] {
  const { parent } = nodeAt(tree, node);
  const { stages, indexByName } = levelOf((stageAt(tree, parent)?.pipeline ?? tree.definition).stages);
  const level = { stages, indexByName, current: indexByName.get(stageAt(tree, node)!.name)! };
  const seen =
    names === 'all'
      ? [...visibleOnLevel(level)]
      : [...names].flatMap((name) => findVisible(level, name) ?? []);
  return seen.flatMap((index) => nodeOfStage(tree, parent, index, stages[index]!.name) ?? []);
}

/** The stages of a level are its children in their order, but for those that a run is limited to. */
function nodeOfStage(tree: OwnedTree, parent: number, index: number, name: string): number | undefined {
  const children = childrenOf(tree, parent);
  const child = children[index];
  if (child !== undefined && tree.runs[child]!.name === name) return child;
  return children.find((other) => tree.runs[other]!.name === name);
}

function stageInScope(tree: OwnedTree, node: number): StageInScope {
  const { status, error, endedAt } = tree.runs[node]!;
  // The error of a try that is followed by another one says nothing of the stage.
  const { code, message } = (endedAt === null ? null : error) ?? { code: '', message: '' };
  return { status, error: { code, message }, outputs: outputsOf(tree, node) ?? {} };
}
