import { type FieldReader, isJsonObject, ownValue, show } from './field-reader.ts';
import { DEPTH_KEYS } from './inner-dag.ts';
import { literalJson } from './literal-text.ts';
import { STAND_IN_JOB, type StageInput } from './older-form.ts';

/** `exec_params` of a Template task: which template, and values for its params. */
const NAME_KEYS = ['template', 'template_id', 'name'];
const VALUE_KEYS = ['params', 'values'];

/** A Template task uses the registered pipeline that the template has become, in its newest version. */
export function templateUse(fields: FieldReader): Pick<StageInput, 'job' | 'pipeline'> {
  const given = fields.object('exec_params') ?? {};
  const names = NAME_KEYS.filter((key) => ownValue(given, key) !== undefined);
  const use = ownValue(given, names[0] ?? '');
  if (names.length !== 1 || typeof use !== 'string') {
    const message =
      'a Template needs the name of a registered pipeline in exec_params, as "template" (or "template_id" or "name")';
    fields.refuse('MISSING_KEY', 'exec_params', message);
    return { job: STAND_IN_JOB };
  }
  for (const key of Object.keys(given)) {
    if (NAME_KEYS.includes(key) || VALUE_KEYS.includes(key) || DEPTH_KEYS.has(key)) continue;
    fields.refuse('UNKNOWN_KEY', 'exec_params', `a Template has no use for ${show(key)} in exec_params`);
  }
  const values = VALUE_KEYS.map((key) => ownValue(given, key)).find((value) => value !== undefined) ?? {};
  if (!isJsonObject(values)) {
    const message = `the values of a Template must be a mapping, found ${show(values)}`;
    fields.refuse('WRONG_TYPE', 'exec_params', message);
    return { job: STAND_IN_JOB };
  }
  const params = Object.fromEntries(
    Object.entries(values).map(([name, value]) => [name, literalJson(value)]),
  );
  return { pipeline: { use, params } };
}
