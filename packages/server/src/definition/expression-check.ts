import {
  itemNames,
  type JsonValue,
  type PipelineBody,
  type PipelineDefinition,
  type StageDefinition,
  stageCache,
  stageKind,
  type UsedBody,
} from '@trainyard/protocol/definition';
import { type CompiledExpression, compileExpression, EXPRESSION_ROOTS, type Reference } from './cel.ts';
import { didYouMean } from './did-you-mean.ts';
import { mayHoldExpressions, splitExpressions } from './expression-text.ts';
import { resultFaults, typeProblems } from './expression-type-check.ts';
import { CEL_TYPES, type CelType } from './expression-types.ts';
import { clip, type DefinitionPath, EXPRESSION_TYPE, type Fault } from './faults.ts';
import { expressionParts, mayHoldSecrets } from './stage-expressions.ts';
import { findVisible, type Level, levelOf, visibleOnLevel } from './visible-stages.ts';

const DASH_HINT = 'for a name with "-"';
const RUN_FIELDS = ['id', 'name'] as const;
const OUTCOME_FIELDS = ['status', 'error', 'stage'] as const;

/** What is known at a place: the levels around it, outermost first, and the params that exist there. */
interface Place {
  readonly levels: readonly Level[];
  readonly params: ReadonlyMap<string, CelType>;
  /** Names of the items of the foreach stages around. */
  readonly items: ReadonlySet<string>;
  /** Inside of a hook there is an outcome of its level to speak of. */
  readonly hasOutcome: boolean;
  /** Secrets may be named in the environment of a job, and nowhere else. */
  readonly mayNameSecrets: boolean;
}

/**
 * Checks every `${{ … }}` of a definition before it runs: syntax, names of params, and that a stage refers
 * only to stages that it depends on, directly or through others, on its own level or on an outer one.
 */
export function expressionFaults(definition: PipelineDefinition): Fault[] {
  const faults: Fault[] = [];
  const place = unitPlace(definition);
  checkValue(definition.concurrency?.group ?? null, place, ['concurrency', 'group'], faults);
  checkLevel(definition, place, [], faults);
  return faults;
}

function checkLevel(body: PipelineBody, outer: Place, path: DefinitionPath, faults: Fault[]): void {
  let named: Omit<Level, 'current'> | undefined;
  for (let index = 0; index < body.stages.length; index++) {
    const stage = body.stages[index]!;
    if (isPlain(stage)) continue;
    named ??= levelOf(body.stages);
    const level = named;
    const levels = [...outer.levels, { ...level, current: index }];
    const stagePath = [...path, 'stages', index];
    const { foreach, hook } = stage;
    const around = { ...outer, levels, hasOutcome: outer.hasOutcome || hook !== undefined };
    if (foreach !== undefined) {
      checkValue(
        { in: foreach.in ?? null, matrix: foreach.matrix ?? null },
        around,
        [...stagePath, 'foreach'],
        faults,
      );
      const lists = foreach.matrix === undefined ? { in: foreach.in! } : foreach.matrix;
      for (const [key, list] of Object.entries(lists)) {
        const at = foreach.matrix === undefined ? [key] : ['matrix', key];
        faults.push(...resultFaults(list, 'list', around.params, [...stagePath, 'foreach', ...at]));
      }
    }
    const items = foreach === undefined ? outer.items : new Set([...outer.items, ...itemNames(foreach)]);
    // The params that a stage sets are computed from those around it and seen by what is inside it.
    checkValue(stage.params, { ...around, items }, [...stagePath, 'params'], faults);
    const own = Object.keys(stage.params).map((name) => [name, 'dyn'] as const);
    const params = own.length === 0 ? outer.params : new Map<string, CelType>([...outer.params, ...own]);
    const inside = { ...around, params, items };
    if (typeof stage.when === 'string') {
      // A foreach is judged as a whole: there is no item yet, nor params in the light of one.
      const judged = foreach === undefined ? inside : around;
      checkValue(stage.when, judged, [...stagePath, 'when'], faults);
      faults.push(...resultFaults(stage.when, 'bool', judged.params, [...stagePath, 'when']));
    }
    checkParts(stage, inside, [...stagePath, stageKind(stage)], faults);
    checkCacheParams(stage, params, [...stagePath, 'cache', 'params'], faults);
    checkValue(stage.pools ?? null, inside, [...stagePath, 'pools'], faults);
    checkValue(stage.concurrency?.group ?? null, inside, [...stagePath, 'concurrency', 'group'], faults);
    if (stage.pipeline !== undefined) {
      const pipelinePath = [...stagePath, 'pipeline'];
      const { used } = stage.pipeline;
      if (used !== undefined) checkValue(used.given, inside, [...pipelinePath, 'used', 'given'], faults);
      const within = used === undefined ? inside : unitPlace(used);
      checkLevel(stage.pipeline, within, pipelinePath, faults);
    }
  }
}

function checkParts(stage: StageDefinition, place: Place, path: DefinitionPath, faults: Fault[]): void {
  for (const [key, value] of Object.entries(expressionParts(stage))) {
    checkValue(value, { ...place, mayNameSecrets: mayHoldSecrets(stage, key) }, [...path, key], faults);
  }
}

/** Without anything to check. In a large definition most stages are, so they are told apart without making objects. */
function isPlain(stage: StageDefinition): boolean {
  const { pipeline, cache, params, foreach, when, pools, concurrency } = stage;
  if (pipeline !== undefined || cache !== undefined) return false;
  const own: unknown = stage[stageKind(stage)];
  return !(
    hasExpressions(own) ||
    hasExpressions(params) ||
    hasExpressions(foreach) ||
    hasExpressions(when) ||
    hasExpressions(pools) ||
    hasExpressions(concurrency)
  );
}

function hasExpressions(value: unknown): boolean {
  if (typeof value === 'string') return mayHoldExpressions(value);
  if (typeof value !== 'object' || value === null) return false;
  if (Array.isArray(value)) {
    for (let at = 0; at < value.length; at++) if (hasExpressions(value[at])) return true;
    return false;
  }
  for (const key in value) if (hasExpressions((value as Record<string, unknown>)[key])) return true;
  return false;
}

/** What is known inside of a used pipeline: nothing but the params that it declares. */
function unitPlace({ params }: Pick<UsedBody, 'params'>): Place {
  return {
    levels: [],
    params: new Map(Object.entries(params).map(([name, { type }]) => [name, CEL_TYPES[type]])),
    items: new Set(),
    hasOutcome: false,
    mayNameSecrets: false,
  };
}

/** A param that is not there would silently count for nothing. */
function checkCacheParams(
  stage: StageDefinition,
  known: ReadonlyMap<string, CelType>,
  path: DefinitionPath,
  faults: Fault[],
): void {
  for (const [index, name] of (stageCache(stage)?.params ?? []).entries()) {
    if (known.has(name)) continue;
    const message = `there is no param "${clip(name).slice(1, -1)}" that this stage can see${didYouMean(name, known.keys())}`;
    faults.push({ code: 'UNKNOWN_PARAM', message, path: [...path, index] });
  }
}

function checkValue(value: JsonValue, place: Place, path: DefinitionPath, faults: Fault[]): void {
  if (typeof value === 'string') {
    if (mayHoldExpressions(value)) checkText(value, place, path, faults);
    return;
  }
  if (typeof value !== 'object' || value === null) return;
  if (Array.isArray(value)) {
    for (const [index, item] of value.entries()) checkValue(item, place, [...path, index], faults);
    return;
  }
  for (const [key, inner] of Object.entries(value)) checkValue(inner, place, [...path, key], faults);
}

function checkText(text: string, place: Place, path: DefinitionPath, faults: Fault[]): void {
  const split = splitExpressions(text);
  if (!split.ok) {
    faults.push({ code: 'BAD_EXPRESSION', message: split.problem, path });
    return;
  }
  for (const part of split.parts) {
    if (part.kind === 'literal') continue;
    const { code, problems } = problemsOf(part.source, place);
    for (const problem of problems) {
      faults.push({ code, message: `in \${{ ${clipped(part.source)} }}: ${problem}`, path });
    }
  }
}

/** As it was written, except for line breaks and the like. */
function clipped(source: string): string {
  return clip(source, 100).slice(1, -1).replaceAll('\\"', '"');
}

function problemsOf(source: string, place: Place): { code: string; problems: string[] } {
  let expression: CompiledExpression;
  try {
    expression = compileExpression(source);
  } catch (error) {
    return { code: 'BAD_EXPRESSION', problems: [error instanceof Error ? error.message : String(error)] };
  }
  const { references } = expression;
  const problems = references.flatMap((reference) => problemOfReference(reference, place) ?? []);
  if (problems.length > 0) {
    // `stages.pre-pare` reads as `stages.pre - pare`: what comes after the first complaint only confuses.
    const dashed = problems.find((problem) => problem.endsWith(DASH_HINT));
    return { code: 'BAD_EXPRESSION', problems: dashed === undefined ? problems : [dashed] };
  }
  return { code: EXPRESSION_TYPE, problems: typeProblems(source, expression, place.params) };
}

function problemOfReference({ root, name }: Reference, place: Place): string | undefined {
  switch (root) {
    case 'params':
      if (name === undefined || place.params.has(name)) return undefined;
      return `there is no param "${name}"${didYouMean(name, place.params.keys())}`;
    case 'run':
      if (name === undefined || RUN_FIELDS.includes(name as (typeof RUN_FIELDS)[number])) return undefined;
      return `the run has no "${name}"${didYouMean(name, RUN_FIELDS)}`;
    case 'item':
      if (name === undefined || place.items.has(name)) return undefined;
      if (place.items.size === 0) return 'there is no item here; it belongs to a stage with "foreach"';
      return `there is no item "${name}"${didYouMean(name, place.items)}`;
    case 'outcome':
      if (!place.hasOutcome) return 'there is no outcome here; it belongs to a stage with "hook"';
      if (name === undefined || OUTCOME_FIELDS.includes(name as (typeof OUTCOME_FIELDS)[number]))
        return undefined;
      return `the outcome has no "${name}"${didYouMean(name, OUTCOME_FIELDS)}`;
    case 'secrets':
      if (!place.mayNameSecrets)
        return 'secrets are for the "env" of a job or a function and for what an http stage sends: nobody can read them there';
      return name === undefined ? 'write the name of the secret out: secrets.NAME' : undefined;
    case 'stages':
      return name === undefined ? undefined : problemOfStage(name, place.levels);
    default:
      return `there is no "${root}"${didYouMean(root, EXPRESSION_ROOTS)}`;
  }
}

function problemOfStage(name: string, levels: readonly Level[]): string | undefined {
  for (const level of [...levels].reverse()) {
    if (findVisible(level, name) !== undefined) return undefined;
  }
  const inner = [...levels].reverse().find((level) => level.indexByName.has(name));
  if (inner !== undefined) {
    const stage = inner.stages[inner.current]!.name;
    if (stage === name) return `stage "${name}" refers to itself`;
    return `stage "${stage}" does not depend on "${name}"; add "${name}" to its dependsOn`;
  }
  const names = levels.flatMap((level) =>
    [...visibleOnLevel(level)].map((index) => level.stages[index]!.name),
  );
  const dashed = names.find((each) => each.startsWith(`${name}-`));
  if (dashed !== undefined) return `there is no stage "${name}"; write stages["${dashed}"] ${DASH_HINT}`;
  return `there is no stage "${name}" that this one depends on${didYouMean(name, names)}`;
}
