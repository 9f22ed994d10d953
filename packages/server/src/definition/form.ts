import {
  type FormField,
  type JsonValue,
  type PipelineBody,
  TrainyardError,
} from '@trainyard/protocol/definition';
import { didYouMean } from './did-you-mean.ts';
import { clip, type DefinitionPath, type Fault } from './faults.ts';
import { readDefault, readParam, wrongType } from './params.ts';

type Form = Readonly<Record<string, FormField>>;

/**
 * What a person gave for the form of an approval, over its defaults. Texts are read as the type of the field,
 * as for the params of a run.
 *
 * @throws TrainyardError INVALID_PARAMS naming every unknown, missing or wrong input
 */
export function resolveForm(form: Form, given: Readonly<Record<string, unknown>>): Record<string, JsonValue> {
  const problems: string[] = [];
  const inputs: [string, JsonValue][] = [];
  const known = Object.keys(form);
  for (const name of Object.keys(given)) {
    if (Object.hasOwn(form, name)) continue;
    const none = known.length === 0 ? '; this approval has no form' : '';
    problems.push(`there is no field ${clip(name)}${didYouMean(name, known)}${none}`);
  }
  for (const [name, field] of Object.entries(form)) {
    const isGiven = Object.hasOwn(given, name) && given[name] !== undefined;
    if (!isGiven && field.default === undefined) {
      problems.push(`field "${name}" (${field.type}) has no default and was not given`);
      continue;
    }
    const value = isGiven ? readParam(given[name], field) : readDefault(field);
    const problem = problemOf(name, field, isGiven ? given[name] : field.default, value);
    if (problem !== undefined) problems.push(problem);
    else inputs.push([name, value!]);
  }
  if (problems.length === 0) return Object.fromEntries(inputs);
  throw new TrainyardError('INVALID_PARAMS', problems.join('\n'), { details: { problems } });
}

/** Defaults of a form that are no values of their fields; those that hold expressions have none yet. */
export function defaultProblems(form: Form): readonly { readonly name: string; readonly message: string }[] {
  return Object.entries(form).flatMap(([name, field]) => {
    if (field.default === undefined || JSON.stringify(field.default).includes('${{')) return [];
    const problem = problemOf(name, field, field.default, readDefault(field));
    return problem === undefined ? [] : [{ name, message: `the default of ${problem}` }];
  });
}

/** Faults of the forms of all approvals of a definition. */
export function formFaults(body: PipelineBody, path: DefinitionPath = []): Fault[] {
  const faults: Fault[] = [];
  for (let index = 0; index < body.stages.length; index++) {
    const { approval, pipeline } = body.stages[index]!;
    if (approval === undefined && pipeline === undefined) continue;
    const stage = [...path, 'stages', index];
    const own = defaultProblems(approval?.form ?? {}).map(({ name, message }) => ({
      code: 'WRONG_TYPE',
      message,
      path: [...stage, 'approval', 'form', name, 'default'],
    }));
    faults.push(...own);
    if (pipeline !== undefined) faults.push(...formFaults(pipeline, [...stage, 'pipeline']));
  }
  return faults;
}

function problemOf(
  name: string,
  field: FormField,
  found: unknown,
  value: JsonValue | undefined,
): string | undefined {
  if (value === undefined) return wrongType(`field "${name}"`, field, found);
  if (field.choices === undefined || field.choices.includes(value as string)) return undefined;
  const choices = field.choices.map((choice) => `"${choice}"`).join(', ');
  return `field "${name}" must be one of ${choices}, found ${clip(String(value))}`;
}
