import type { JsonValue } from '../definition/index.ts';
import { FieldReader, isJsonObject, ownValue, show } from './field-reader.ts';
import type { DocumentPath, OlderFormFault } from './older-form.ts';
import { nameFrom, stageNames } from './stage-names.ts';

/** Words of an older system for one level of its definitions. */
export interface LevelWords {
  /** What an entry is called, for example `task`. */
  readonly item: string;
  /** Keys of an entry that may hold its id; the first that is there does. */
  readonly idKeys: readonly string[];
  readonly dependenciesKey: string;
}

export interface LevelItem {
  /** False when the entry is a list or a plain value; that fault is reported, and nothing else can be read. */
  readonly isMapping: boolean;
  readonly fields: FieldReader;
  /** Name of the stage that the entry becomes. */
  readonly name: string;
  /** Names of the stages that it waits for; one that is not on the level stays as it was written. */
  readonly dependsOn: readonly string[];
}

/** Reads ids and dependencies of one level's entries. Entries that are no mappings read as empty ones. */
export function levelItems(
  list: readonly JsonValue[],
  path: DocumentPath,
  words: LevelWords,
  faults: OlderFormFault[],
): LevelItem[] {
  const ids = list.map((item) => idOf(item, words));
  const fields = list.map((item, index) => {
    const owner = ids[index] === '' ? `${words.item} ${index + 1}` : `${words.item} ${show(ids[index])}`;
    const isObject = isJsonObject(item);
    const reader = new FieldReader(isObject ? item : {}, [...path, index], owner, faults);
    if (!isObject) reader.refuse('WRONG_TYPE', undefined, `must be a mapping, found ${show(item)}`);
    return reader;
  });
  refuseBadIds(list, ids, fields, words);
  const dependencies = fields.map((reader) => reader.texts(words.dependenciesKey));
  const names = stageNames(ids, new Set(dependencies.flat()));
  const nameOf = new Map<string, string>();
  for (const [index, id] of ids.entries()) if (!nameOf.has(id)) nameOf.set(id, names[index]!);
  return fields.map((reader, index) => ({
    isMapping: isJsonObject(list[index]),
    fields: reader,
    name: names[index]!,
    dependsOn: dependencies[index]!.map((id) => nameOf.get(id) ?? id),
  }));
}

/** The definition's name and description; a name that had to be changed is kept as description. */
export function titleOf(
  name: string | undefined,
  description: string | undefined,
  otherwise: string,
): { name: string; description?: string } {
  const changed = nameFrom(name ?? '', otherwise);
  const kept = description ?? (name === undefined || name === changed ? undefined : name);
  return { name: changed, ...(kept === undefined ? {} : { description: kept }) };
}

function idOf(item: JsonValue, { idKeys }: LevelWords): string {
  const id = idKeys.map((key) => ownValue(item, key)).find((value) => value !== undefined);
  return typeof id === 'string' || typeof id === 'number' ? String(id) : '';
}

function refuseBadIds(
  list: readonly JsonValue[],
  ids: readonly string[],
  fields: readonly FieldReader[],
  words: LevelWords,
): void {
  const key = words.idKeys[0]!;
  const first = new Map<string, number>();
  for (const [index, id] of ids.entries()) {
    const reader = fields[index]!;
    const earlier = first.get(id);
    if (!isJsonObject(list[index])) continue;
    if (id === '')
      reader.refuse('MISSING_KEY', key, `needs "${key}", a text that no other ${words.item} has`);
    else if (earlier === undefined) first.set(id, index);
    else {
      const message = `the ${key} is given twice on this level, first to ${words.item} ${earlier + 1}`;
      reader.refuse('DUPLICATE_NAME', key, message);
    }
  }
}
