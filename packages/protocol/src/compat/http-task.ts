import type { JsonValue } from '../definition/index.ts';
import { type FieldReader, isJsonObject, ownValue, show } from './field-reader.ts';
import { literalJson, literalText } from './literal-text.ts';
import { type DocumentPath, STAND_IN_JOB, type StageInput } from './older-form.ts';

const HTTP_PARAMS: readonly string[] = ['url', 'method', 'headers', 'query', 'body', 'json'];

/** The request of an `HttpCall`: what is in `exec_params`, or the address alone in `exec_command`. */
export function httpStage(fields: FieldReader): Pick<StageInput, 'job' | 'http'> {
  const given = fields.object('exec_params') ?? {};
  const url = ownValue(given, 'url') ?? fields.text('exec_command');
  for (const key of Object.keys(given)) {
    if (HTTP_PARAMS.includes(key)) continue;
    const message = `an HttpCall has no use for ${show(key)} in exec_params; known: ${HTTP_PARAMS.join(', ')}`;
    fields.refuse('UNKNOWN_KEY', 'exec_params', message);
  }
  if (typeof url !== 'string' || url === '') {
    fields.refuse('MISSING_KEY', 'exec_params', 'an HttpCall needs its address, in exec_params.url');
    return { job: STAND_IN_JOB };
  }
  const { method, headers, query, body, json } = given;
  const queue = fields.text('queue');
  const others = { headers, query, ...bodyOf(body, json) };
  const known = Object.entries(others).filter(
    (entry): entry is [string, JsonValue] => entry[1] !== undefined && entry[1] !== null,
  );
  return {
    http: {
      url: literalText(url),
      ...(method === undefined || method === null
        ? {}
        : { method: typeof method === 'string' ? method.toUpperCase() : method }),
      ...Object.fromEntries(known.map(([key, value]) => [key, literalJson(value)])),
      ...(queue === undefined ? {} : { queue }),
    },
  };
}

/** A body that is no text was sent as JSON. */
function bodyOf(
  body: JsonValue | undefined,
  json: JsonValue | undefined,
): { readonly body?: JsonValue | undefined; readonly json?: JsonValue | undefined } {
  return isJsonObject(body) || Array.isArray(body) ? { json: body } : { body, json };
}

const MODULE = /^(.+\.[cm]?[jt]s)(?:#([A-Za-z_$][\w$]*))?$/;

/** A `Local` task whose command names a module calls its function; `undefined` for any other. */
export function functionStage(fields: FieldReader): Pick<StageInput, 'function'> | undefined {
  const [, module, name] = MODULE.exec(fields.text('exec_command')?.trim() ?? '') ?? [];
  if (module === undefined) return undefined;
  const queue = fields.text('queue');
  return {
    function: {
      module: literalText(module),
      ...(name === undefined ? {} : { export: name }),
      args: literalJson(fields.value('exec_params') ?? {}),
      ...(queue === undefined ? {} : { queue }),
    },
  };
}

/** Path of a value of an `HttpCall` or `Local` task, from its stage. */
export function httpPath(
  key: string,
  [inner, ...rest]: DocumentPath,
  task: JsonValue | undefined,
): DocumentPath {
  if (inner === 'queue') return ['queue'];
  if (key === 'function') return inner === 'args' ? ['exec_params', ...rest] : ['exec_command'];
  const params = ownValue(task, 'exec_params');
  if (inner === 'url' && ownValue(params, 'url') === undefined) return ['exec_command'];
  const name = inner === 'json' && ownValue(params, 'json') === undefined ? 'body' : inner;
  return name === undefined ? ['exec_params'] : ['exec_params', name, ...rest];
}
