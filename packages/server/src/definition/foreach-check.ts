import type { ForeachDefinition, PipelineBody, PipelineDefinition } from '@trainyard/protocol/definition';
import type { DefinitionPath, Fault } from './faults.ts';

/** Lists that are written out and are known to be too long before the run. */
export function foreachFaults(definition: PipelineDefinition): Fault[] {
  const faults: Fault[] = [];
  const open: { readonly body: PipelineBody; readonly path: DefinitionPath }[] = [
    { body: definition, path: [] },
  ];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const { stages } = next.body;
    for (let index = 0; index < stages.length; index++) {
      const { foreach, pipeline } = stages[index]!;
      if (foreach === undefined && pipeline === undefined) continue;
      const path = [...next.path, 'stages', index];
      if (foreach !== undefined) faults.push(...faultOf(foreach, [...path, 'foreach']));
      if (pipeline !== undefined) open.push({ body: pipeline, path: [...path, 'pipeline'] });
    }
  }
  return faults;
}

function faultOf(foreach: ForeachDefinition, path: DefinitionPath): Fault[] {
  const { in: given, matrix, exclude, maxItems } = foreach;
  const lists = matrix === undefined ? [given] : Object.values(matrix);
  const count = lists.reduce<number>((product, list) => product * (Array.isArray(list) ? list.length : 1), 1);
  // What is left out, and what an expression gives, is known only in the run.
  if (count <= maxItems || exclude.length > 0) return [];
  const what = matrix === undefined ? 'the list has' : 'the matrix has at least';
  const message = `${what} ${count} items, more than maxItems, which is ${maxItems}; raise it or split the list`;
  return [{ code: 'TOO_MANY_ITEMS', message, path: [...path, matrix === undefined ? 'in' : 'matrix'] }];
}
