import { itemNames, type JsonValue, TrainyardError } from '@trainyard/protocol';
import { type ExpressionScope, resolveExpressions } from '../definition/expressions.ts';
import { resolveUsedParams } from '../definition/used-params.ts';
import { isHookNeeded, levelOutcome } from './level-outcome.ts';
import { childrenOf, nodeAt, type OwnedTree, stageAt } from './owned-tree.ts';
import { unitAround, usedBodyAt } from './used-unit.ts';

/** Outputs of a nested pipeline larger than this are not stored as one value; its stages keep theirs. */
const MAX_GROUP_OUTPUT_BYTES = 4 * 1024 * 1024;

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
 * Outputs of a pipeline: those of its stages by name, left out where a stage has none. Of a foreach: a list
 * with those of its items in their order, null where an item has none.
 */
export function groupOutputs(tree: OwnedTree, node: number): Params | JsonValue[] | null {
  const children = childrenOf(tree, node).map((child) => tree.runs[child]!);
  const isForeach = nodeAt(tree, node).foreach !== null;
  const outputs = isForeach
    ? children.map((run) => run.outputs as JsonValue)
    : Object.fromEntries(
        children.flatMap((run) => (run.outputs === null ? [] : [[run.name, run.outputs as JsonValue]])),
      );
  if (!isForeach && Object.keys(outputs).length === 0) return null;
  return JSON.stringify(outputs).length > MAX_GROUP_OUTPUT_BYTES ? null : outputs;
}

/**
 * Params of a stage: those of the pipelines around it, the inner ones first, then its own. A used pipeline
 * begins anew with the params that it declares.
 * @throws TrainyardError INVALID_PARAMS when an expression has no value, or a used pipeline is given wrong ones
 */
export function paramsOf(tree: OwnedTree, node: number): Params {
  return paramsAlong(tree, pathTo(tree, node), node);
}

/** Params around a stage, without its own. */
export function outerParamsOf(tree: OwnedTree, node: number): Params {
  return paramsAlong(tree, pathTo(tree, node).slice(0, -1), node);
}

/** Numbers from the outermost stage in. */
function pathTo(tree: OwnedTree, node: number): number[] {
  const path: number[] = [];
  for (let at = node; at > 0; at = nodeAt(tree, at).parent) path.push(at);
  return path.reverse();
}

function paramsAlong(tree: OwnedTree, path: readonly number[], node: number): Params {
  let params = tree.runs[0]!.params as Params;
  for (const at of path) {
    // The params of a foreach stage are those of its items, each in the light of its own item.
    if (nodeAt(tree, at).foreach !== null) continue;
    const own = stageAt(tree, at)!.params;
    if (Object.keys(own).length > 0) params = { ...params, ...resolvedAt(tree, at, params, own) };
    // The stage itself belongs to the pipeline around; only what is inside sees the params of the unit.
    const used = at === node ? undefined : usedBodyAt(tree, at);
    if (used !== undefined) {
      params = resolveUsedParams(used, resolvedAt(tree, at, params, used.given));
    }
  }
  return params;
}

function resolvedAt(tree: OwnedTree, node: number, params: Params, values: Params): Params {
  return resolveExpressions(values, scopeOf(tree, node, params, JSON.stringify(values))) as Params;
}

/**
 * The names an expression may use. Only stages that the text mentions are put in, so a stage of a very
 * wide pipeline does not pay for its siblings; the nearest level wins where names repeat.
 */
export function scopeOf(tree: OwnedTree, node: number, params: Params, text: string): ExpressionScope {
  const root = tree.runs[0]!;
  return {
    params,
    paramSpecs: unitAround(tree, node).params,
    stages: text.includes('${{') && text.includes('stages') ? stagesFor(tree, node, text) : {},
    item: itemsFor(tree, node),
    outcome: outcomeFor(tree, node),
    run: { id: root.id, name: root.name },
  };
}

function stagesFor(tree: OwnedTree, node: number, text: string): ExpressionScope['stages'] {
  const stages: Record<string, { status: string; outputs: JsonValue }> = {};
  for (let at = nodeAt(tree, node).parent; at >= 0; at = nodeAt(tree, at).parent) {
    // The items beside this one are no stages that could be named.
    if (nodeAt(tree, at).foreach !== null) continue;
    for (const sibling of childrenOf(tree, at)) {
      const run = tree.runs[sibling]!;
      if (Object.hasOwn(stages, run.name) || !text.includes(run.name)) continue;
      const { isGroup } = nodeAt(tree, sibling);
      stages[run.name] = {
        status: run.status,
        outputs: (isGroup ? groupOutputs(tree, sibling) : (run.outputs as JsonValue)) ?? {},
      };
    }
    if (usedBodyAt(tree, at) !== undefined) break;
  }
  return stages;
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
