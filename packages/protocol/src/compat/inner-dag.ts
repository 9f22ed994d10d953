import { DEFINITION_LIMITS, type JsonValue } from '../definition/index.ts';
import { type FieldReader, isJsonObject, type JsonObject, ownValue, show } from './field-reader.ts';
import type { DocumentPath } from './older-form.ts';

/** Values inside each other in an inner DAG that is given as text. */
const MAX_TEXT_DEPTH = 100;

/** What all inner DAGs given as text may have together: a text may be used many times through YAML aliases. */
export interface TextBudget {
  leftChars: number;
}

export function fullTextBudget(): TextBudget {
  return { leftChars: DEFINITION_LIMITS.maxBytes };
}

export interface InnerDag {
  readonly json: JsonObject;
  readonly path: DocumentPath;
}

/** A nesting depth that a document brings along means nothing: the server counts levels itself. */
export const DEPTH_KEYS: ReadonlySet<string> = new Set([
  'depth',
  'max_depth',
  'nesting_depth',
  'max_nesting_depth',
  'nestingDepth',
]);

/**
 * The DAG inside a `Dag` task. It is in `exec_params`: the keys `tasks` and `config` themselves, or a
 * mapping or JSON text under `dag` or `dag_json`; or `exec_params` is the JSON text itself.
 * Answers `undefined` after a fault.
 */
export function innerDagOf(fields: FieldReader, budget: TextBudget): InnerDag | undefined {
  const given = fields.value('exec_params');
  if (typeof given === 'string') return parsed(given, ['exec_params'], fields, budget);
  const forms = ['tasks', 'dag', 'dag_json'].filter((key) => ownValue(given, key) !== undefined);
  if (!isJsonObject(given) || forms.length === 0) {
    const message =
      'a Dag needs its tasks in exec_params: "tasks" and "config", or "dag", or "dag_json" (a JSON text)';
    fields.refuse('MISSING_KEY', 'exec_params', message);
    return undefined;
  }
  if (forms.length > 1) {
    const message = `exec_params gives the inner DAG twice, as ${forms.map(show).join(' and ')}; keep one`;
    fields.refuse('BAD_VALUE', 'exec_params', message);
    return undefined;
  }
  const key = forms[0]!;
  // Here exec_params is the DAG, and whoever reads the DAG looks at its keys.
  if (key === 'tasks') return { json: given, path: [...fields.path, 'exec_params'] };
  refuseOthers(fields, given);
  const dag = ownValue(given, key);
  const at = ['exec_params', key];
  if (typeof dag === 'string') return parsed(dag, at, fields, budget);
  if (isJsonObject(dag)) return { json: dag, path: [...fields.path, ...at] };
  fields.refuse('WRONG_TYPE', 'exec_params', `"${key}" must be a mapping or a JSON text, found ${show(dag)}`);
  return undefined;
}

function refuseOthers(fields: FieldReader, given: JsonObject): void {
  for (const key of Object.keys(given)) {
    if (key === 'dag' || key === 'dag_json' || DEPTH_KEYS.has(key)) continue;
    fields.refuse('UNKNOWN_KEY', 'exec_params', `a Dag has no use for ${show(key)} in exec_params`);
  }
}

function parsed(
  text: string,
  at: readonly string[],
  fields: FieldReader,
  budget: TextBudget,
): InnerDag | undefined {
  const where = at.join('.');
  const refuse = (code: string, message: string): undefined => {
    fields.refuse(code, at[0], `${where} ${message}`);
    return undefined;
  };
  budget.leftChars -= text.length;
  if (budget.leftChars < 0) {
    return refuse('TOO_LARGE', `passes the limit of ${DEFINITION_LIMITS.maxBytes} characters of inner DAGs`);
  }
  let json: JsonValue;
  try {
    json = JSON.parse(text) as JsonValue;
  } catch (error) {
    return refuse('SYNTAX', `is not JSON: ${error instanceof Error ? error.message : String(error)}`);
  }
  if (!isJsonObject(json)) return refuse('WRONG_TYPE', `must hold a JSON object, found ${show(json)}`);
  const problem = textProblem(json);
  if (problem !== undefined) return refuse('BAD_VALUE', problem);
  return { json, path: [...fields.path, ...at] };
}

/** What the limits on the file itself cannot see, because to them it is one text. */
function textProblem(json: JsonValue): string | undefined {
  const open: { readonly value: JsonValue; readonly depth: number }[] = [{ value: json, depth: 0 }];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const { value, depth } = next;
    if (typeof value !== 'object' || value === null) continue;
    if (depth >= MAX_TEXT_DEPTH) return `nests values deeper than ${MAX_TEXT_DEPTH} levels`;
    if (Object.hasOwn(value, '__proto__')) return 'holds the key "__proto__", which is not allowed';
    for (const inner of Object.values(value)) open.push({ value: inner, depth: depth + 1 });
  }
  return undefined;
}
