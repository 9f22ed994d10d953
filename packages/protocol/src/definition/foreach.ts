import { z } from 'zod';
import { DEFINITION_LIMITS } from './limits.ts';
import { identifier, jsonValue, soleExpression } from './values.ts';

const list = z.union([
  z.array(jsonValue).max(DEFINITION_LIMITS.maxExpandedRuns),
  soleExpression('a list is written out, or is one expression: ${{ … }}'),
]);

const foreachFields = {
  /** Name of the item of `in`: expressions see it as `item.NAME`. */
  item: identifier('an item').optional(),
  in: list.optional(),
  /** Instead of `item` and `in`: each combination of these lists, the last one changing fastest. */
  matrix: z.record(identifier('an axis'), list).optional(),
  /** Combinations of the matrix that are left out: those that have all these values. */
  exclude: z
    .array(z.record(identifier('an axis'), jsonValue))
    .max(1000)
    .default([]),
  maxItems: z.int().min(1).max(DEFINITION_LIMITS.maxExpandedRuns).default(DEFINITION_LIMITS.defaultMaxItems),
  maxParallel: z.int().min(1).max(DEFINITION_LIMITS.maxParallel).default(4),
  /** Which items have to succeed. */
  failurePolicy: z
    .union([
      z.enum(['all', 'any']),
      z.strictObject({ maxFailures: z.int().min(0).max(DEFINITION_LIMITS.maxExpandedRuns) }),
    ])
    .default('all'),
  /** How the stage ends when the list is empty. */
  emptyAs: z.enum(['skipped', 'completed']).default('skipped'),
};

/** Runs a stage once for each item of a list. */
export const foreach = z.strictObject(foreachFields).check((context) => {
  const { item, in: given, matrix, exclude } = context.value;
  const fault = (key: string, message: string) =>
    context.issues.push({ code: 'custom', input: context.value, path: [key], message });
  if (matrix === undefined) {
    if (given === undefined) fault('in', 'a foreach needs "item" and "in", or "matrix"');
    else if (item === undefined) fault('item', 'a foreach needs "item", the name for what is in its list');
    if (exclude.length > 0) fault('exclude', '"exclude" is only for a matrix');
    return;
  }
  if (given !== undefined) fault('in', 'a foreach has "in" or "matrix", not both');
  if (item !== undefined) fault('item', 'a matrix names its axes itself; leave "item" out');
  const axes = Object.keys(matrix);
  if (axes.length === 0) fault('matrix', 'a matrix needs at least one list');
  if (axes.length > DEFINITION_LIMITS.maxMatrixAxes) {
    fault('matrix', `a matrix has at most ${DEFINITION_LIMITS.maxMatrixAxes} lists`);
  }
  for (const left of exclude) {
    const unknown = Object.keys(left).find((axis) => !Object.hasOwn(matrix, axis));
    if (unknown !== undefined) fault('exclude', `the matrix has no list "${unknown}"`);
  }
});
export type ForeachDefinition = z.infer<typeof foreach>;

/** The names under which expressions see the item. */
export function itemNames({ item, matrix }: ForeachDefinition): readonly string[] {
  return matrix === undefined ? [item ?? ''] : Object.keys(matrix);
}
