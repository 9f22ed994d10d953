import {
  type JsonValue,
  type ParamSpec,
  type PipelineBody,
  TrainyardError,
  type UsedBody,
} from '@trainyard/protocol/definition';
import { didYouMean } from './did-you-mean.ts';
import { mayHoldExpressions } from './expression-text.ts';
import { clip, type DefinitionPath, type Fault } from './faults.ts';
import { readDefault, readGiven, wrongType } from './params.ts';

/** Faults of the values given to used pipelines, as far as they are known before the run. */
export function givenParamFaults(definition: PipelineBody): Fault[] {
  const faults: Fault[] = [];
  const open: { body: PipelineBody; path: DefinitionPath }[] = [{ body: definition, path: [] }];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const { stages } = next.body;
    for (let index = 0; index < stages.length; index++) {
      const { pipeline } = stages[index]!;
      if (pipeline === undefined) continue;
      const path = [...next.path, 'stages', index, 'pipeline'];
      if (pipeline.used !== undefined) faults.push(...faultsOf(pipeline.used, [...path, 'used', 'given']));
      open.push({ body: pipeline, path });
    }
  }
  return faults;
}

function faultsOf({ from, params, given }: UsedBody, path: DefinitionPath): Fault[] {
  const unknown = Object.keys(given).flatMap((name): Fault[] =>
    Object.hasOwn(params, name)
      ? []
      : [
          {
            code: 'UNKNOWN_PARAM',
            message: unknownParam(from, name, params),
            path: [...path, name],
            at: 'key',
          },
        ],
  );
  const others = Object.entries(params).flatMap(([name, spec]): Fault[] => {
    if (!Object.hasOwn(given, name)) {
      if (spec.default !== undefined) return [];
      return [{ code: 'MISSING_PARAM', message: missingParam(from, name, spec), path }];
    }
    const value = given[name]!;
    // Only the run can tell what an expression gives.
    if (holdsExpressions(value) || readGiven(value, spec) !== undefined) return [];
    const message = `${from}: ${wrongType(`param "${name}"`, spec, value)}`;
    return [{ code: 'WRONG_TYPE', message, path: [...path, name] }];
  });
  return [...unknown, ...others];
}

/**
 * The params that a used pipeline sees: what is given, of its declared type, and the defaults.
 * @throws TrainyardError INVALID_PARAMS naming every unknown, missing or wrongly typed param
 */
export function resolveUsedParams(
  { from, params }: UsedBody,
  given: Readonly<Record<string, JsonValue>>,
): Record<string, JsonValue> {
  const problems = Object.keys(given).flatMap((name) =>
    Object.hasOwn(params, name) ? [] : [unknownParam(from, name, params)],
  );
  const resolved: [string, JsonValue][] = [];
  for (const [name, spec] of Object.entries(params)) {
    const isGiven = Object.hasOwn(given, name);
    const value = isGiven ? readGiven(given[name]!, spec) : readDefault(spec);
    if (value !== undefined) resolved.push([name, value]);
    else
      problems.push(
        isGiven
          ? `${from}: ${wrongType(`param "${name}"`, spec, given[name])}`
          : missingParam(from, name, spec),
      );
  }
  if (problems.length === 0) return Object.fromEntries(resolved);
  throw new TrainyardError('INVALID_PARAMS', problems.join('; '), { details: { problems } });
}

function unknownParam(from: string, name: string, params: UsedBody['params']): string {
  const declared = Object.keys(params);
  const none = declared.length === 0 ? '; it has no params' : '';
  return `${from} has no param ${clip(name)}${didYouMean(name, declared)}${none}`;
}

function missingParam(from: string, name: string, spec: ParamSpec): string {
  return `${from} needs the param "${name}" (${spec.type}), which has no default`;
}

function holdsExpressions(value: JsonValue): boolean {
  if (typeof value === 'string') return mayHoldExpressions(value);
  if (typeof value !== 'object' || value === null) return false;
  return Object.values(value).some(holdsExpressions);
}
