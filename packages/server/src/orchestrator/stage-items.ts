import { isDeepStrictEqual } from 'node:util';
import { type ForeachDefinition, type JsonValue, TrainyardError } from '@trainyard/protocol';
import { resolveExpressions } from '../definition/expressions.ts';
import { nodeAt, type OwnedTree, stageAt } from './owned-tree.ts';
import { outerParamsOf, scopeOf } from './stage-scope.ts';

/** `items` is null when there are too many to be listed; the planner refuses them by their count. */
export interface ItemList {
  readonly items: readonly JsonValue[] | null;
  readonly count: number;
}

/**
 * The items of a foreach stage. For a matrix each is an object with a value per axis.
 * @throws TrainyardError INVALID_PARAMS when an expression has no value, or one that is no list
 */
export function stageItems(tree: OwnedTree, node: number): ItemList {
  const foreach = stageAt(tree, node)!.foreach!;
  const lists = listsOf(foreach).map(([name, given]) => {
    const scope = scopeOf(tree, node, outerParamsOf(tree, node), given);
    const value = resolveExpressions(given, scope);
    if (Array.isArray(value)) return [name, value] as const;
    throw new TrainyardError(
      'INVALID_PARAMS',
      `foreach of stage "${nodeAt(tree, node).path}" needs a list; ${String(given).trim()} is ${clipped(value)}`,
    );
  });
  if (foreach.matrix === undefined) return { items: lists[0]![1], count: lists[0]![1].length };
  const count = lists.reduce((product, [, values]) => product * values.length, 1);
  // With combinations left out it may still be allowed; without them it cannot be.
  const isTooLong = count > foreach.maxItems * (foreach.exclude.length > 0 ? MAX_LEFT_OUT : 1);
  if (isTooLong) return { items: null, count };
  const items = productOf(lists).filter((item) => !isLeftOut(item, foreach.exclude));
  return { items, count: items.length };
}

/** How many times more combinations than `maxItems` are looked at when some are left out. */
const MAX_LEFT_OUT = 10;

function listsOf({ item, in: given, matrix }: ForeachDefinition): [string, JsonValue][] {
  return matrix === undefined ? [[item!, given!]] : Object.entries(matrix);
}

function productOf(axes: readonly (readonly [string, readonly JsonValue[]])[]): Record<string, JsonValue>[] {
  let items: Record<string, JsonValue>[] = [{}];
  for (const [axis, values] of axes) {
    items = items.flatMap((item) => values.map((value) => ({ ...item, [axis]: value })));
  }
  return items;
}

function isLeftOut(item: Record<string, JsonValue>, exclude: ForeachDefinition['exclude']): boolean {
  return exclude.some((left) =>
    Object.entries(left).every(([axis, value]) => isDeepStrictEqual(item[axis], value)),
  );
}

function clipped(value: JsonValue): string {
  const text = JSON.stringify(value);
  return text.length > 200 ? `${text.slice(0, 199)}…` : text;
}
