import { DEFINITION_LIMITS, TrainyardError } from '@trainyard/protocol/definition';
import type { DefinitionDocument, UsableDocument } from './document.ts';
import { isJsonObject, type JsonObject } from './json-object.ts';
import { readUse, type UseKey, usesIn } from './uses.ts';

/** What a key stands for: a document, why there is none, or that nobody was asked. */
export type LibraryEntry = UsableDocument | { readonly problem: string } | 'not checked';

/** The documents outside that a definition uses, directly or through others, by the key of their `use`. */
export type Library = ReadonlyMap<string, LibraryEntry>;

export type UsedName = Extract<UseKey, { kind: 'name' }>;
export type UsedFile = Extract<UseKey, { kind: 'file' }>;

/**
 * Looks up everything that a definition uses, each once, so that two uses of the newest version are of the
 * same one.
 * @throws TrainyardError TOO_LARGE, and what `load` throws
 */
export async function gatherLibrary(
  root: DefinitionDocument & { readonly directory?: string },
  load: (key: UsedName | UsedFile) => Promise<LibraryEntry>,
): Promise<Library> {
  const library = new Map<string, LibraryEntry>();
  const open: (DefinitionDocument & { readonly directory?: string })[] = [root];
  for (let document = open.pop(); document !== undefined; document = open.pop()) {
    for (const key of outsideUses(document)) {
      if (library.has(key.key)) continue;
      if (library.size >= DEFINITION_LIMITS.maxUsedDocuments) {
        const message = `the definition uses more than ${DEFINITION_LIMITS.maxUsedDocuments} other pipelines`;
        throw new TrainyardError('TOO_LARGE', message);
      }
      const entry = await load(key);
      library.set(key.key, entry);
      if (typeof entry === 'object' && 'locate' in entry) open.push(entry);
    }
  }
  return library;
}

/** Names and files that a document uses itself, apart from its own templates. */
export function outsideUses(
  document: DefinitionDocument & { readonly directory?: string },
): (UsedName | UsedFile)[] {
  const { json } = document;
  if (!isJsonObject(json)) return [];
  const templates = templatesOf(json);
  const keys = new Map<string, UsedName | UsedFile>();
  for (const body of [json, ...Object.values(templates)]) {
    if (!isJsonObject(body)) continue;
    for (const { use } of usesIn(body)) {
      if (Object.hasOwn(templates, use)) continue;
      const key = readUse(use, document.directory);
      if (key.kind !== 'fault') keys.set(key.key, key);
    }
  }
  return [...keys.values()];
}

export function templatesOf(json: JsonObject): JsonObject {
  const templates = json['templates'];
  return isJsonObject(templates) ? templates : {};
}
