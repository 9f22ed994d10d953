import { isDeepStrictEqual } from 'node:util';
import type { PipelineDiff } from '@trainyard/protocol/definition';

/** A definition as it was written, and as it was read: with defaults filled in. */
export interface ComparedDefinition {
  /** Shown in the head of the text, for example "train@3". */
  readonly label: string;
  readonly source: string;
  readonly definition: unknown;
}

/** The text is compared for at most so long and with so many changed lines; beyond that nobody reads it. */
const TEXT_TIMEOUT_MS = 1000;
const MAX_CHANGED_LINES = 20_000;

/**
 * What differs between two definitions: stages that came, went or have other keys, and the text. Stages are
 * compared by path, so a renamed stage is one that went and one that came.
 */
export async function diffDefinitions(
  from: ComparedDefinition,
  to: ComparedDefinition,
): Promise<PipelineDiff> {
  const [before, after] = [readBody(from.definition), readBody(to.definition)];
  const pipeline = changedKeys(before.keys, after.keys);
  const added = [...after.stages.keys()].filter((path) => !before.stages.has(path));
  const removed = [...before.stages.keys()].filter((path) => !after.stages.has(path));
  const changed = [...after.stages].flatMap(([path, keys]) => {
    const earlier = before.stages.get(path);
    const differing = earlier === undefined ? [] : changedKeys(earlier, keys);
    return differing.length === 0 ? [] : [{ path, keys: differing }];
  });
  const isSame = pipeline.length + added.length + removed.length + changed.length === 0;
  const text = await unifiedDiff(from, to);
  return { from: from.label, to: to.label, isSame, pipeline, added, removed, changed, text };
}

async function unifiedDiff(from: ComparedDefinition, to: ComparedDefinition): Promise<string | null> {
  if (from.source === to.source) return '';
  // Only who compares needs it: the command line checks files without.
  const { createTwoFilesPatch } = await import('diff');
  const limits = { context: 3, timeout: TEXT_TIMEOUT_MS, maxEditLength: MAX_CHANGED_LINES };
  const patch = createTwoFilesPatch(from.label, to.label, from.source, to.source, '', '', limits);
  // The first line is a ruler for files with several patches.
  return patch?.replace(/^=+\n/, '') ?? null;
}

type Keys = ReadonlyMap<string, unknown>;

interface ReadBody {
  readonly keys: Keys;
  /** By path, in the order of the definition; those of templates under `templates.NAME/`. */
  readonly stages: ReadonlyMap<string, Keys>;
}

function readBody(definition: unknown): ReadBody {
  const { stages, templates = {}, ...own } = definition as Record<string, unknown>;
  const found = new Map<string, Keys>();
  const keys = new Map(flatten(own));
  addStages(stages, '', found);
  for (const [name, template] of Object.entries(templates as Record<string, Record<string, unknown>>)) {
    const { stages: inner, ...fields } = template;
    for (const [key, value] of flatten(fields)) keys.set(`templates.${name}.${key}`, value);
    addStages(inner, `templates.${name}/`, found);
  }
  return { keys, stages: found };
}

function addStages(stages: unknown, prefix: string, found: Map<string, Keys>): void {
  if (!Array.isArray(stages)) return;
  for (const { name, pipeline, ...own } of stages as Record<string, unknown>[]) {
    const path = `${prefix}${String(name)}`;
    const { stages: inner, ...nested } = (pipeline ?? {}) as Record<string, unknown>;
    found.set(path, flatten(pipeline === undefined ? own : { ...own, pipeline: nested }));
    addStages(inner, `${path}/`, found);
  }
}

/** Values by dotted key; lists, which are meant as one, stay whole. */
function flatten(fields: Readonly<Record<string, unknown>>): Keys {
  const keys = new Map<string, unknown>();
  const add = (value: unknown, key: string): void => {
    const isMapping = typeof value === 'object' && value !== null && !Array.isArray(value);
    if (!isMapping) keys.set(key, value);
    else for (const [inner, each] of Object.entries(value)) add(each, key === '' ? inner : `${key}.${inner}`);
  };
  add(fields, '');
  return keys;
}

function changedKeys(before: Keys, after: Keys): PipelineDiff['changed'][number]['keys'] {
  const keys = [...new Set([...before.keys(), ...after.keys()])];
  return keys
    .filter((key) => !isDeepStrictEqual(before.get(key), after.get(key)))
    .map((key) => ({
      key,
      ...(before.has(key) ? { from: before.get(key) } : {}),
      ...(after.has(key) ? { to: after.get(key) } : {}),
    }));
}
