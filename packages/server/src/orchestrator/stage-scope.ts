import { itemNames, type JsonValue, TrainyardError } from '@trainyard/protocol';
import { onceADecision } from '../definition/expression-work.ts';
import { type ExpressionScope, resolveExpressions } from '../definition/expressions.ts';
import { resolveUsedParams } from '../definition/used-params.ts';
import { isHookNeeded, levelOutcome } from './level-outcome.ts';
import { nodeAt, type OwnedTree, stageAt } from './owned-tree.ts';
import { stagesInScope } from './stages-in-scope.ts';
import { unitAround, usedBodyAt } from './used-unit.ts';

export type Params = Record<string, JsonValue>;

/**
 * Whether a stage's `when` lets it run, judged with the outputs of the stages it depends on; `not_needed` for a
 * hook that is meant for another end of its level.
 * @throws TrainyardError INVALID_PARAMS when the expression has no value, or none that is true or false
 */
export function stageCondition(tree: OwnedTree, node: number): boolean | 'not_needed' {
  const { when = true, hook } = stageAt(tree, node)!;
  if (hook !== undefined && !isHookNeeded(hook, levelOutcome(tree, nodeAt(tree, node).parent)))
    return 'not_needed';
  if (typeof when === 'boolean') return when;
  const isForeach = nodeAt(tree, node).foreach !== null;
  // A foreach is judged as a whole, before there is an item that its own params could speak of.
  const params = isForeach ? outerParamsOf(tree, node) : paramsOf(tree, node);
  const value = resolveExpressions(when.trim(), scopeOf(tree, node, params, when));
  if (typeof value === 'boolean') return value;
  throw new TrainyardError(
    'INVALID_PARAMS',
    `The condition ${when.trim()} of stage "${tree.runs[node]!.path}" is ${JSON.stringify(value)}, not true or false.`,
  );
}

/**
 * Params of a stage: those of the pipelines around it, the inner ones first, then its own. A used pipeline
 * begins anew with the params that it declares.
 * @throws TrainyardError INVALID_PARAMS when an expression has no value, or a used pipeline is given wrong ones
 */
export function paramsOf(tree: OwnedTree, node: number): Params {
  return withOwn(tree, node, outerParamsOf(tree, node));
}

/** Params around a stage, without its own. */
export function outerParamsOf(tree: OwnedTree, node: number): Params {
  if (node === 0) return tree.runs[0]!.params as Params;
  return paramsInside(tree, nodeAt(tree, node).parent);
}

/** Params that the stages in a group find. They are the same for all that start together. */
function paramsInside(tree: OwnedTree, group: number): Params {
  if (group <= 0) return tree.runs[0]!.params as Params;
  return onceADecision(tree, group, () => {
    const params = paramsOf(tree, group);
    // A stage that uses a pipeline belongs to the pipeline around; only what is inside sees the params of the unit.
    const used = nodeAt(tree, group).foreach === null ? usedBodyAt(tree, group) : undefined;
    return used === undefined ? params : resolveUsedParams(used, resolvedAt(tree, group, params, used.given));
  });
}

function withOwn(tree: OwnedTree, node: number, params: Params): Params {
  // The params of a foreach stage are those of its items, each in the light of its own item.
  if (node === 0 || nodeAt(tree, node).foreach !== null) return params;
  const own = stageAt(tree, node)!.params;
  return Object.keys(own).length === 0 ? params : { ...params, ...resolvedAt(tree, node, params, own) };
}

function resolvedAt(tree: OwnedTree, node: number, params: Params, values: Params): Params {
  return resolveExpressions(values, scopeOf(tree, node, params, values)) as Params;
}

/** What the expressions of a value may use: of stages only those that they speak of. */
export function scopeOf(
  tree: OwnedTree,
  node: number,
  params: Params,
  value: JsonValue | undefined,
): ExpressionScope {
  const root = tree.runs[0]!;
  return {
    params,
    paramSpecs: unitAround(tree, node).params,
    stages: stagesInScope(tree, node, value),
    item: itemsFor(tree, node),
    outcome: outcomeFor(tree, node),
    run: { id: root.id, name: root.name },
  };
}

/** The items of all foreach stages around a node by their names, inner ones hiding outer ones. */
function itemsFor(tree: OwnedTree, node: number): Params {
  const items: Params = {};
  for (let at = node; at > 0; at = nodeAt(tree, at).parent) {
    // The item of a stage that uses a pipeline belongs to the pipeline around.
    if (at !== node && usedBodyAt(tree, at) !== undefined) break;
    const { item } = tree.runs[at]!;
    if (item === null) continue;
    const foreach = stageAt(tree, at)!.foreach!;
    const values = foreach.matrix === undefined ? { [foreach.item!]: item.value } : (item.value as Params);
    for (const name of itemNames(foreach)) if (!Object.hasOwn(items, name)) items[name] = values[name]!;
  }
  return items;
}

/** Of the level of the innermost hook around. */
function outcomeFor(tree: OwnedTree, node: number): ExpressionScope['outcome'] {
  for (let at = node; at > 0; at = nodeAt(tree, at).parent) {
    // A used pipeline does not see what is around it.
    if (at !== node && usedBodyAt(tree, at) !== undefined) break;
    const { item, parent } = nodeAt(tree, at);
    // An item stands for the same stage as its foreach, which is the one on the level.
    if (item !== null) continue;
    if (stageAt(tree, at)!.hook !== undefined) return levelOutcome(tree, parent);
  }
  return {};
}
