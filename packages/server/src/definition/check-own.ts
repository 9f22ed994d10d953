import { type Dag, type Plan, type ValidateOptions, validate } from '@trainyard/dag';
import {
  DEFINITION_LIMITS,
  type JsonValue,
  type PipelineDefinition,
  pipelineDefinition,
} from '@trainyard/protocol/definition';
import type { z } from 'zod';
import { dagFaults, looseDag, stageCountFault, toDag } from './dag-of-definition.ts';
import { expressionFaults } from './expression-check.ts';
import type { Fault } from './faults.ts';
import { foreachFaults } from './foreach-check.ts';
import { formFaults } from './form.ts';
import { hookFaults } from './hook-check.ts';
import { paramDefaultFaults } from './params.ts';
import { retryFaults } from './retry-check.ts';
import { schemaFaults } from './schema-faults.ts';
import { schemaReader, UNREAD } from './schema-reader.ts';
import { selectBestFaults } from './select-best-check.ts';
import { givenParamFaults } from './used-params.ts';
import { wellShapedPart } from './well-shaped-part.ts';

export interface CheckedOwn {
  readonly faults: readonly Fault[];
  /** Left out when the definition cannot be run at all. */
  readonly result?: { readonly definition: PipelineDefinition; readonly dag: Dag; readonly plan: Plan };
}

/** Judges a definition in our own form that uses nothing from elsewhere. */
export function checkOwn(json: JsonValue, maxDepth: number): CheckedOwn {
  const tooMany = stageCountFault(json);
  if (tooMany !== undefined) return { faults: [tooMany] };
  const parsed = parsedDefinition(json);
  const limits = {
    maxDepth,
    maxNodes: DEFINITION_LIMITS.maxStages,
    maxExpandedNodes: DEFINITION_LIMITS.maxExpandedRuns,
  };
  if (!parsed.success) {
    const { issues } = parsed.error;
    return { faults: [...schemaFaults(issues, json), ...faultsBeside(json, issues, limits)] };
  }
  const definition = parsed.data;
  const dag = toDag(definition);
  const validation = validate(dag, limits);
  const faults = [
    ...(validation.ok ? [] : dagFaults(validation.faults, json, 'all')),
    ...meaningFaults(definition),
  ];
  return validation.ok ? { faults, result: { definition, dag, plan: validation.plan } } : { faults };
}

const readDefinition = schemaReader(pipelineDefinition);

/** What the schema says; it is asked itself only when it may have something to say. */
function parsedDefinition(json: JsonValue) {
  const definition = readDefinition(json);
  if (definition === UNREAD) return pipelineDefinition.safeParse(json);
  return { success: true, data: definition as PipelineDefinition } as const;
}

/** What can be judged although the shape of something else is wrong, so that one round of corrections is enough. */
function faultsBeside(
  json: JsonValue,
  issues: readonly z.core.$ZodIssue[],
  limits: ValidateOptions,
): Fault[] {
  const loose = validate(looseDag(json), limits);
  const ofNames = loose.ok ? [] : dagFaults(loose.faults, json, 'names only');
  const part = wellShapedPart(json, issues);
  if (part === undefined) return ofNames;
  const validation = validate(toDag(part.definition), limits);
  const ofValues = validation.ok ? [] : dagFaults(validation.faults, json, 'values only');
  return [...ofNames, ...[...ofValues, ...meaningFaults(part.definition)].filter(part.tells)];
}

/** Faults of what a definition of a good shape says. */
function meaningFaults(definition: PipelineDefinition): Fault[] {
  return [
    ...paramDefaultFaults(definition),
    ...givenParamFaults(definition),
    ...formFaults(definition),
    ...expressionFaults(definition),
    ...foreachFaults(definition),
    ...hookFaults(definition),
    ...retryFaults(definition),
    ...selectBestFaults(definition),
  ];
}
