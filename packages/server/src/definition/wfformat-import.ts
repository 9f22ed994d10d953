import {
  DEFINITION_LIMITS,
  type DefinitionFault,
  fromWfFormat,
  type JsonValue,
  type PipelineDefinitionInput,
  type WfFormatOptions,
} from '@trainyard/protocol/definition';
import { checkOwn } from './check-own.ts';
import { presentFaults } from './faults.ts';
import { faultsInSource } from './older-forms.ts';
import { readYamlSource } from './yaml-source.ts';

/** A workflow of another system as the text of a pipeline file would have it, or every fault found in it. */
export type ImportedDefinition =
  | { readonly ok: true; readonly input: PipelineDefinitionInput }
  | { readonly ok: false; readonly faults: DefinitionFault[] };

/**
 * Reads a recorded workflow in WfFormat 1.5 and checks the pipeline that it becomes. All faults come at once,
 * with their places in the given text. Never throws.
 */
export function importWfFormat(source: string, options: WfFormatOptions = {}): ImportedDefinition {
  const { json, faults, locate } = readYamlSource(source);
  if (json === undefined || faults.length > 0) return { ok: false, faults: presentFaults(faults, locate) };
  const mapping = fromWfFormat(json, options);
  const checked = checkOwn(mapping.definition as unknown as JsonValue, DEFINITION_LIMITS.maxDepth);
  const found = faultsInSource(mapping, checked.faults);
  if (found.length > 0) return { ok: false, faults: presentFaults(found, locate) };
  return { ok: true, input: mapping.definition };
}
