import { pipelineDefinition } from '@trainyard/protocol/definition';
import type { z } from 'zod';
import type { DefinitionPath } from './faults.ts';

type Schema = z.core.$ZodTypes;

/** The keys that may be written at a path of a definition, for example those of a job. */
export function knownKeys(path: DefinitionPath): string[] {
  return [...schemaKeys(path), ...beforeExpansion(path)];
}

/** The keys that the schema knows there. */
export function schemaKeys(path: DefinitionPath): string[] {
  return keysAt(pipelineDefinition, path);
}

/** The keys that a schema knows at a path of a document. */
export function keysAt(root: z.ZodType, path: DefinitionPath): string[] {
  let schema = unwrap(root as unknown as Schema);
  for (const step of path) {
    const next = stepInto(schema, step);
    if (next === undefined) return [];
    schema = unwrap(next);
  }
  return schema._zod.def.type === 'object' ? Object.keys(schema._zod.def.shape) : [];
}

/** Keys that are gone once templates and used pipelines are put in. */
function beforeExpansion(path: DefinitionPath): string[] {
  if (path.length === 0) return ['templates'];
  return path.at(-1) === 'pipeline' ? ['use', 'params'] : [];
}

function stepInto(schema: Schema, step: string | number): Schema | undefined {
  const def = schema._zod.def;
  if (def.type === 'array') return def.element as Schema;
  if (def.type === 'record') return def.valueType as Schema;
  return def.type === 'object' ? (def.shape[String(step)] as Schema | undefined) : undefined;
}

function unwrap(schema: Schema): Schema {
  const def = schema._zod.def;
  if (def.type === 'default' || def.type === 'optional') return unwrap(def.innerType as Schema);
  return def.type === 'lazy' ? unwrap(def.getter() as Schema) : schema;
}
