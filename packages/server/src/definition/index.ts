import { type Dag, type Plan, validate } from '@trainyard/dag';
import {
  DEFINITION_LIMITS,
  type DefinitionFault,
  type JsonValue,
  type PipelineDefinition,
  pipelineDefinition,
} from '@trainyard/protocol';
import { dagFaults, looseDag, stageCountFault, toDag } from './dag-of-definition.ts';
import { expressionFaults } from './expression-check.ts';
import { type Fault, type Locate, presentFaults } from './faults.ts';
import { paramDefaultFaults } from './params.ts';
import { schemaFaults } from './schema-faults.ts';
import { jsonLimitFault } from './value-limits.ts';
import { readYamlSource } from './yaml-source.ts';

export { expressionFaults, visibleStages } from './expression-check.ts';
export { type ExpressionScope, resolveExpressions, resolveJob } from './expressions.ts';
export { resolveParams } from './params.ts';

/** A definition that can be run, or every fault found in it. */
export type CheckedDefinition =
  | {
      readonly ok: true;
      readonly definition: PipelineDefinition;
      readonly dag: Dag;
      readonly plan: Plan;
    }
  | { readonly ok: false; readonly faults: DefinitionFault[] };

/**
 * Reads a pipeline file (YAML or JSON) and checks everything that can be known before it runs. All faults
 * come at once (at most 100), each with its line and column. Never throws, whatever the text is.
 */
export function parseDefinition(source: string): CheckedDefinition {
  const { json, faults, locate } = readYamlSource(source);
  if (json === undefined) return refuse(faults, locate);
  return check(json, faults, locate);
}

/** Checks a definition that came as JSON. As `parseDefinition`, but faults have paths and no lines. */
export function checkDefinition(json: unknown): CheckedDefinition {
  const nowhere: Locate = () => undefined;
  const limit = jsonLimitFault(json);
  if (limit !== undefined) return refuse([limit], nowhere);
  return check(json as JsonValue, [], nowhere);
}

function check(json: JsonValue, earlier: readonly Fault[], locate: Locate): CheckedDefinition {
  const tooMany = stageCountFault(json);
  if (tooMany !== undefined) return refuse([...earlier, tooMany], locate);
  const parsed = pipelineDefinition.safeParse(json);
  const limits = { maxDepth: DEFINITION_LIMITS.maxDepth, maxNodes: DEFINITION_LIMITS.maxStages };
  if (!parsed.success) {
    // The stages are compared even so, so that one round of corrections is enough.
    const loose = validate(looseDag(json), limits);
    const ofDag = loose.ok ? [] : dagFaults(loose.faults, json, 'names only');
    return refuse([...earlier, ...schemaFaults(parsed.error.issues, json), ...ofDag], locate);
  }
  const definition = parsed.data;
  const dag = toDag(definition);
  const validation = validate(dag, limits);
  const ofDag = validation.ok ? [] : dagFaults(validation.faults, json, 'all');
  const own = [...paramDefaultFaults(definition), ...expressionFaults(definition)];
  const faults = [...earlier, ...ofDag, ...own];
  if (!validation.ok || faults.length > 0) return refuse(faults, locate);
  return { ok: true, definition, dag, plan: validation.plan };
}

function refuse(faults: readonly Fault[], locate: Locate): CheckedDefinition {
  return { ok: false, faults: presentFaults(faults, locate) };
}
