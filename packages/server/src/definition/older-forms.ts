import { fromStageList, fromTaskGraph, type JsonValue, type OlderFormMapping } from '@trainyard/protocol';
import type { DefinitionPath, Fault } from './faults.ts';

/** The forms in which a definition may be given. */
type Form = 'own' | 'stage list' | 'task graph';

const FORM_NAMES: Readonly<Record<Form, string>> = {
  own: "Trainyard's own form",
  'stage list': 'the older stage list (stages with "task" and "depends_on")',
  'task graph': 'the older task graph ("tasks" with "exec_type" and "deps")',
};

/** Keys that only one form has; the others, such as `name` and `stages`, tell nothing. */
const TOP_KEYS: Readonly<Record<string, Form>> = {
  maxParallel: 'own',
  failPolicy: 'own',
  deadline: 'own',
  max_retries: 'stage list',
  tasks: 'task graph',
};
const ITEM_KEYS: Readonly<Record<string, Form>> = {
  job: 'own',
  pipeline: 'own',
  dependsOn: 'own',
  task: 'stage list',
  depends_on: 'stage list',
  exec_type: 'task graph',
  exec_command: 'task graph',
  exec_params: 'task graph',
  deps: 'task graph',
};

/** `mapping` is there when the form is an older one. */
export type ReadForm =
  | { readonly kind: 'one'; readonly mapping?: OlderFormMapping }
  | { readonly kind: 'mixed'; readonly fault: Fault };

/**
 * Tells by its keys in which form a definition is given, and maps one of an older system to ours. Keys of
 * two forms in one document are a fault: half of it would be read in a way that nobody meant.
 */
export function readForm(json: JsonValue): ReadForm {
  let first: Sign | undefined;
  for (const sign of signsIn(json)) {
    first ??= sign;
    if (sign.form !== first.form) return { kind: 'mixed', fault: mixedFault(first, sign) };
  }
  const form = first?.form ?? 'own';
  if (form === 'own') return { kind: 'one' };
  return { kind: 'one', mapping: form === 'task graph' ? fromTaskGraph(json) : fromStageList(json) };
}

/** All faults of a mapped definition, with the paths of the document that it came from. */
export function faultsInSource(mapping: OlderFormMapping, ofDefinition: readonly Fault[]): Fault[] {
  return [...mapping.faults, ...ofDefinition.map((fault) => ({ ...fault, path: mapping.paths(fault.path) }))];
}

interface Sign {
  readonly form: Form;
  readonly path: DefinitionPath;
}

/** Keys that tell the form, those of the document before those of its stages and tasks. */
function* signsIn(json: JsonValue): Generator<Sign> {
  if (Array.isArray(json)) {
    yield* signsInItems(json, []);
    return;
  }
  if (typeof json !== 'object' || json === null) return;
  for (const key of Object.keys(json)) if (Object.hasOwn(TOP_KEYS, key)) yield sign(TOP_KEYS, key, []);
  for (const list of ['stages', 'tasks']) {
    const items = Object.hasOwn(json, list) ? json[list] : undefined;
    if (Array.isArray(items)) yield* signsInItems(items, [list]);
  }
  // Tasks beside stages that tell nothing: those were meant to be ours.
  if (Object.hasOwn(json, 'tasks') && Object.hasOwn(json, 'stages')) yield { form: 'own', path: ['stages'] };
}

function* signsInItems(items: readonly JsonValue[], path: DefinitionPath): Generator<Sign> {
  for (const [index, item] of items.entries()) {
    if (typeof item !== 'object' || item === null || Array.isArray(item)) continue;
    for (const key of Object.keys(item)) {
      if (Object.hasOwn(ITEM_KEYS, key)) yield sign(ITEM_KEYS, key, [...path, index]);
    }
  }
}

function sign(keys: Readonly<Record<string, Form>>, key: string, path: DefinitionPath): Sign {
  return { form: keys[key]!, path: [...path, key] };
}

function mixedFault(first: Sign, second: Sign): Fault {
  const [one, other] = [first, second].map(({ form, path }) => `"${path.at(-1)}" of ${FORM_NAMES[form]}`);
  const message = `the definition mixes two forms: ${one}, and ${other}; write all of it in one form`;
  return { code: 'MIXED_FORMS', message, path: second.path, at: 'key' };
}
