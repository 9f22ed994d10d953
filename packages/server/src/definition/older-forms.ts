import {
  fromStageList,
  fromTaskGraph,
  type JsonValue,
  type OlderFormMapping,
} from '@trainyard/protocol/definition';
import type { DefinitionPath, Fault } from './faults.ts';

/** The forms in which a definition may be given. */
type Form = 'own' | 'stage list' | 'task graph';

const FORM_NAMES: Readonly<Record<Form, string>> = {
  own: "Trainyard's own form",
  'stage list': 'the older stage list (stages with "task" and "depends_on")',
  'task graph': 'the older task graph ("tasks" with "exec_type" and "deps")',
};

/** Keys that only one form has; the others, such as `name` and `stages`, tell nothing. */
const TOP_FORMS: ReadonlyMap<string, Form> = forms({
  maxParallel: 'own',
  failPolicy: 'own',
  deadline: 'own',
  max_retries: 'stage list',
  tasks: 'task graph',
});
const ITEM_FORMS: ReadonlyMap<string, Form> = forms({
  job: 'own',
  pipeline: 'own',
  dependsOn: 'own',
  task: 'stage list',
  depends_on: 'stage list',
  exec_type: 'task graph',
  exec_command: 'task graph',
  exec_params: 'task graph',
  deps: 'task graph',
});

function forms(ofKeys: Readonly<Record<string, Form>>): Map<string, Form> {
  return new Map(Object.entries(ofKeys));
}

/** `mapping` is there when the form is an older one. */
export type ReadForm =
  | { readonly kind: 'one'; readonly mapping?: OlderFormMapping }
  | { readonly kind: 'mixed'; readonly fault: Fault };

/**
 * Tells by its keys in which form a definition is given, and maps one of an older system to ours. Keys of
 * two forms in one document are a fault: half of it would be read in a way that nobody meant.
 */
export function readForm(json: JsonValue): ReadForm {
  const signs = new Signs();
  signs.lookThrough(json);
  const { first, other } = signs;
  if (first !== undefined && other !== undefined) return { kind: 'mixed', fault: mixedFault(first, other) };
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

/** The first key that tells a form, and the first that tells another one. */
class Signs {
  first: Sign | undefined;
  other: Sign | undefined;

  /** The keys of the document before those of its stages and tasks. */
  lookThrough(json: JsonValue): void {
    if (Array.isArray(json)) {
      this.#lookThroughItems(json, []);
      return;
    }
    if (typeof json !== 'object' || json === null) return;
    for (const key in json) this.#note(TOP_FORMS.get(key), [], key);
    for (const list of ['stages', 'tasks']) {
      const items = Object.hasOwn(json, list) ? json[list] : undefined;
      if (Array.isArray(items)) this.#lookThroughItems(items, [list]);
    }
    // Tasks beside stages that tell nothing: those were meant to be ours.
    if (Object.hasOwn(json, 'tasks') && Object.hasOwn(json, 'stages')) this.#note('own', [], 'stages');
  }

  #lookThroughItems(items: readonly JsonValue[], path: DefinitionPath): void {
    for (let index = 0; index < items.length && this.other === undefined; index++) {
      const item = items[index]!;
      if (typeof item !== 'object' || item === null || Array.isArray(item)) continue;
      for (const key in item) {
        const form = ITEM_FORMS.get(key);
        if (form !== undefined && form !== this.first?.form) this.#note(form, [...path, index], key);
      }
    }
  }

  #note(form: Form | undefined, place: DefinitionPath, key: string): void {
    if (form === undefined || form === this.first?.form) return;
    const sign = { form, path: [...place, key] };
    if (this.first === undefined) this.first = sign;
    else this.other ??= sign;
  }
}

function mixedFault(first: Sign, second: Sign): Fault {
  const [one, other] = [first, second].map(({ form, path }) => `"${path.at(-1)}" of ${FORM_NAMES[form]}`);
  const message = `the definition mixes two forms: ${one}, and ${other}; write all of it in one form`;
  return { code: 'MIXED_FORMS', message, path: second.path, at: 'key' };
}
