import {
  type JsonValue,
  type ParamSpec,
  type PipelineDefinition,
  TrainyardError,
} from '@trainyard/protocol/definition';
import { didYouMean } from './did-you-mean.ts';
import { clip, describeValue, type Fault } from './faults.ts';
import { jsonLimitFault } from './value-limits.ts';

/**
 * The params of a run: given values over the definition's defaults, each of its declared type. Texts are
 * read as the type (the command line has only texts): `3` for an integer, `true`, JSON for `json`.
 *
 * @throws TrainyardError INVALID_PARAMS naming every unknown, missing or wrongly typed param
 */
export function resolveParams(
  definition: Pick<PipelineDefinition, 'params'>,
  given: Readonly<Record<string, unknown>>,
): Record<string, JsonValue> {
  const problems: string[] = [];
  const resolved: [string, JsonValue][] = [];
  const declared = Object.keys(definition.params);
  for (const name of Object.keys(given)) {
    if (Object.hasOwn(definition.params, name)) continue;
    const none = declared.length === 0 ? '; this pipeline has no params' : '';
    problems.push(`there is no param ${clip(name)}${didYouMean(name, declared)}${none}`);
  }
  for (const [name, spec] of Object.entries(definition.params)) {
    if (!Object.hasOwn(given, name) && spec.default !== undefined) {
      resolved.push([name, readDefault(spec) ?? spec.default]);
      continue;
    }
    const value = Object.hasOwn(given, name) ? given[name] : undefined;
    if (value === undefined) {
      problems.push(`param "${name}" (${spec.type}) has no default and was not given`);
      continue;
    }
    const read = readParam(value, spec);
    if (read === undefined) problems.push(wrongType(`param "${name}"`, spec, value));
    else resolved.push([name, read]);
  }
  if (problems.length === 0) return Object.fromEntries(resolved);
  throw new TrainyardError('INVALID_PARAMS', problems.join('\n'), { details: { problems } });
}

/** Faults of the definition's own defaults. */
export function paramDefaultFaults(definition: Pick<PipelineDefinition, 'params'>): Fault[] {
  return Object.entries(definition.params).flatMap(([name, spec]) => {
    if (spec.default === undefined || readDefault(spec) !== undefined) return [];
    const message = `the default of ${wrongType(`param "${name}"`, spec, spec.default)}`;
    return [{ code: 'WRONG_TYPE', message, path: ['params', name, 'default'] }];
  });
}

/** The default as the declared type; `undefined` when there is none or it is not of the type. */
export function readDefault(spec: Pick<ParamSpec, 'type' | 'default'>): JsonValue | undefined {
  return spec.default === undefined ? undefined : readGiven(spec.default, spec);
}

/** A value of a file is JSON already: the text of a `json` param is meant as a text. */
export function readGiven(value: JsonValue, spec: Pick<ParamSpec, 'type'>): JsonValue | undefined {
  return spec.type === 'json' ? value : readParam(value, spec);
}

/** The value as the declared type, `undefined` when it is not one. */
export function readParam(value: unknown, spec: Pick<ParamSpec, 'type'>): JsonValue | undefined {
  switch (spec.type) {
    case 'string':
      return typeof value === 'string' ? value : scalarText(value);
    case 'integer': {
      const number = readNumber(value);
      return Number.isSafeInteger(number) ? number : undefined;
    }
    case 'number':
      return readNumber(value);
    case 'boolean':
      if (typeof value === 'boolean') return value;
      return value === 'true' ? true : value === 'false' ? false : undefined;
    case 'json':
      return typeof value === 'string' ? parseJson(value) : asJson(value);
    default:
      return spec.type satisfies never;
  }
}

function scalarText(value: unknown): string | undefined {
  return typeof value === 'number' || typeof value === 'boolean' ? String(value) : undefined;
}

const NUMBER = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;

function readNumber(value: unknown): number | undefined {
  const number = typeof value === 'string' && NUMBER.test(value.trim()) ? Number(value) : value;
  return typeof number === 'number' && Number.isFinite(number) ? number : undefined;
}

/** A text that is not JSON stands for itself, so `--param tag=baseline` needs no inner quotes. */
function parseJson(text: string): JsonValue | undefined {
  try {
    return asJson(JSON.parse(text));
  } catch {
    return text;
  }
}

function asJson(value: unknown): JsonValue | undefined {
  return jsonLimitFault(value) === undefined ? (value as JsonValue) : undefined;
}

/** Says what was wanted of `what`, such as `param "lr"`, and what was found. */
export function wrongType(what: string, spec: Pick<ParamSpec, 'type'>, value: unknown): string {
  const wanted = {
    string: 'text',
    integer: 'a whole number',
    number: 'a number',
    boolean: 'true or false',
    json: 'JSON',
  }[spec.type];
  const number = spec.type === 'integer' ? readNumber(value) : undefined;
  if (Number.isInteger(number)) {
    const largest = Number.MAX_SAFE_INTEGER;
    return `${what} must be a whole number from -${largest} to ${largest} (2^53 - 1), beyond which numbers in JSON are not exact; make it a param of type string`;
  }
  return `${what} must be ${wanted}, found ${describeValue(value)}`;
}
