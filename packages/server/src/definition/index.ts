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
import { foreachFaults } from './foreach-check.ts';
import { formFaults } from './form.ts';
import { hookFaults } from './hook-check.ts';
import { faultsInSource, readForm } from './older-forms.ts';
import { paramDefaultFaults } from './params.ts';
import { schemaFaults } from './schema-faults.ts';
import { jsonLimitFault } from './value-limits.ts';
import { readYamlSource } from './yaml-source.ts';

export { diffDefinitions } from './definition-diff.ts';
export { definitionSize } from './definition-size.ts';
export { expressionFaults, visibleStages } from './expression-check.ts';
export { type ExpressionScope, resolveExpressions, resolveJob } from './expressions.ts';
export {
  checkCondition,
  checkTemplates,
  evaluateCondition,
  resolveTemplates,
  type Templates,
} from './param-templates.ts';
export { resolveParams } from './params.ts';
export { secretsOfDefinition } from './secret-references.ts';

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

/** Judges a definition in any of the accepted forms; faults have the places of what was given. */
function check(json: JsonValue, earlier: readonly Fault[], locate: Locate): CheckedDefinition {
  const form = readForm(json);
  if (form.kind === 'mixed') return refuse([...earlier, form.fault], locate);
  const { mapping } = form;
  // A mapped definition is JSON, too, in an interface that says more.
  const own = mapping === undefined ? json : (mapping.definition as unknown as JsonValue);
  const checked = checkOwn(own);
  const found = mapping === undefined ? checked.faults : faultsInSource(mapping, checked.faults);
  const faults = [...earlier, ...found];
  if (checked.result === undefined || faults.length > 0) return refuse(faults, locate);
  return { ok: true, ...checked.result };
}

interface Checked {
  readonly faults: readonly Fault[];
  /** Left out when the definition cannot be run at all. */
  readonly result?: { readonly definition: PipelineDefinition; readonly dag: Dag; readonly plan: Plan };
}

function checkOwn(json: JsonValue): Checked {
  const tooMany = stageCountFault(json);
  if (tooMany !== undefined) return { faults: [tooMany] };
  const parsed = pipelineDefinition.safeParse(json);
  const limits = {
    maxDepth: DEFINITION_LIMITS.maxDepth,
    maxNodes: DEFINITION_LIMITS.maxStages,
    maxExpandedNodes: DEFINITION_LIMITS.maxExpandedRuns,
  };
  if (!parsed.success) {
    // The stages are compared even so, so that one round of corrections is enough.
    const loose = validate(looseDag(json), limits);
    const ofDag = loose.ok ? [] : dagFaults(loose.faults, json, 'names only');
    return { faults: [...schemaFaults(parsed.error.issues, json), ...ofDag] };
  }
  const definition = parsed.data;
  const dag = toDag(definition);
  const validation = validate(dag, limits);
  const ofDag = validation.ok ? [] : dagFaults(validation.faults, json, 'all');
  const faults = [
    ...ofDag,
    ...paramDefaultFaults(definition),
    ...formFaults(definition),
    ...expressionFaults(definition),
    ...foreachFaults(definition),
    ...hookFaults(definition),
  ];
  return validation.ok ? { faults, result: { definition, dag, plan: validation.plan } } : { faults };
}

function refuse(faults: readonly Fault[], locate: Locate): CheckedDefinition {
  return { ok: false, faults: presentFaults(faults, locate) };
}
