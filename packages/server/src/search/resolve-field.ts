import { didYouMean } from '../definition/did-you-mean.ts';
import { type Field, type FieldGroup, MAX_KEY_LENGTH } from './filter.ts';
import { invalidFilter } from './invalid-filter.ts';
import { attributeKeys, DATASET_KEYS, GROUP_WORDS, type Searchable } from './searchable.ts';
import type { Token } from './tokenize.ts';

/** Which text a field is named in: what may be named differs. */
export interface FieldPlace {
  readonly searchable: Searchable;
  readonly use: 'filter' | 'order';
  /** How the text is called in messages. */
  readonly what: string;
}

/** @throws TrainyardError INVALID_FILTER when there is no such field */
export function resolveField(token: Token & { kind: 'name' | 'quoted' }, place: FieldPlace): Field {
  const group = token.kind === 'name' ? token.group : undefined;
  const key = token.kind === 'name' ? token.key : token.value;
  if (group === undefined) return attribute(key, token.at, place);
  const known = groupOf(group, token.at, place);
  if (known === 'attribute') return attribute(key, token.at, place);
  if (known === 'dataset') return dataset(key, token.at, place);
  if (key === '' || key.length > MAX_KEY_LENGTH) {
    const problem = `Invalid ${known} key of ${key.length} characters`;
    throw invalidFilter(place.what, token.at, problem, `1 to ${MAX_KEY_LENGTH} characters`);
  }
  return { group: known, key };
}

function groupOf(word: string, at: number, { searchable, use, what }: FieldPlace): FieldGroup {
  const groups = use === 'filter' ? searchable.groups : searchable.orderGroups;
  const found = groups.find((group) => GROUP_WORDS[group].includes(word));
  if (found !== undefined) return found;
  const words = groups.map((group) => GROUP_WORDS[group][0]!);
  const problem = `Invalid entity type '${word}'`;
  throw invalidFilter(what, at, problem, `one of ${words.join(', ')}${hint(word, words)}`);
}

function attribute(key: string, at: number, { searchable, use, what }: FieldPlace): Field {
  for (const [name, spec] of Object.entries(searchable.attributes)) {
    const isMeant = name === key || spec.aliases?.includes(key) === true;
    if (isMeant && (use === 'filter' || spec.isUnordered !== true)) return { group: 'attribute', key: name };
  }
  const known = attributeKeys(searchable, use);
  const expected = `one of ${known.join(', ')}${hint(key, known)}`;
  throw invalidFilter(what, at, `Invalid attribute key '${key}' specified`, expected);
}

function dataset(key: string, at: number, { what }: FieldPlace): Field {
  if ((DATASET_KEYS as readonly string[]).includes(key)) return { group: 'dataset', key };
  const expected = `one of ${DATASET_KEYS.join(', ')}${hint(key, DATASET_KEYS)}`;
  throw invalidFilter(what, at, `Invalid dataset key '${key}' specified`, expected);
}

function hint(word: string, known: readonly string[]): string {
  const end = didYouMean(word, known);
  return end.startsWith('; did') ? end.replace(/\?$/, '') : '';
}
