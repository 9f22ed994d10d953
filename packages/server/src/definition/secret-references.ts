import type { JsonValue, PipelineDefinition, StageDefinition } from '@trainyard/protocol/definition';
import { compileExpression } from './cel.ts';
import { mayHoldExpressions, splitExpressions } from './expression-text.ts';
import { secretParts } from './stage-expressions.ts';

/** Names of the secrets that the texts of a value speak of. The value has been checked before. */
export function secretNames(parts: Readonly<Record<string, JsonValue>>): string[] {
  const names = new Set<string>();
  const open: JsonValue[] = Object.values(parts);
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    if (typeof next === 'string') for (const name of namesIn(next)) names.add(name);
    else if (typeof next === 'object' && next !== null) open.push(...Object.values(next));
  }
  return [...names].sort();
}

/** Secrets that a definition needs, each with the path of a stage that does. */
export function secretsOfDefinition(definition: PipelineDefinition): ReadonlyMap<string, string> {
  const needed = new Map<string, string>();
  const visit = (stages: readonly StageDefinition[], above: string): void => {
    for (const stage of stages) {
      const { name, pipeline } = stage;
      const path = `${above}${name}`;
      for (const secret of secretNames(secretParts(stage))) {
        if (!needed.has(secret)) needed.set(secret, path);
      }
      if (pipeline !== undefined) visit(pipeline.stages, `${path}/`);
    }
  };
  visit(definition.stages, '');
  return needed;
}

function namesIn(text: string): string[] {
  if (!mayHoldExpressions(text) || !text.includes('secrets')) return [];
  const split = splitExpressions(text);
  if (!split.ok) return [];
  return split.parts
    .filter((part) => part.kind === 'expression')
    .flatMap(({ source }) => compileExpression(source).references)
    .flatMap(({ root, name }) => (root === 'secrets' && name !== undefined ? [name] : []));
}
