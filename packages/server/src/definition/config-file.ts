import type { DefinitionFault, JsonValue } from '@trainyard/protocol/definition';
import type { z } from 'zod';
import { type DefinitionPath, presentFaults } from './faults.ts';
import { schemaFaults } from './schema-faults.ts';
import { keysAt } from './schema-keys.ts';
import { readTextSource } from './text-source.ts';

/** A file in YAML or JSON that is no pipeline, read as carefully as one. */
export interface ConfigFile<T> {
  /** Undefined when there are faults. */
  readonly value: T | undefined;
  readonly faults: readonly DefinitionFault[];
  /** A fault that was found later, at a path of the document, with its line and column. */
  fault(path: DefinitionPath, message: string): DefinitionFault;
}

/**
 * Reads a file and checks it by a schema. Never throws.
 * @param file what it is called in messages: "env.yaml"
 */
export function readConfigFile<T>(source: string, schema: z.ZodType<T>, file: string): ConfigFile<T> {
  const { json, faults, locate } = readTextSource(source);
  const fault = (path: DefinitionPath, message: string): DefinitionFault =>
    presentFaults([{ code: 'BAD_VALUE', message, path }], locate)[0]!;
  if (json === undefined) return { value: undefined, faults: presentFaults(faults, locate), fault };
  const parsed = schema.safeParse(json);
  const judged = { file, whole: file, keys: (path: DefinitionPath) => keysAt(schema, path) };
  const found = parsed.success ? [] : schemaFaults(parsed.error.issues, json as JsonValue, judged);
  const all = presentFaults([...faults, ...found], locate);
  return { value: parsed.success && all.length === 0 ? parsed.data : undefined, faults: all, fault };
}
