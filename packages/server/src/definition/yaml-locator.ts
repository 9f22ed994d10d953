import { isAlias, isMap, isScalar, isSeq, type Node, type YAMLMap } from 'yaml';
import type { Locate, Position } from './faults.ts';
import type { YamlReader } from './yaml-reader.ts';

/** Where a key and its value stand. */
interface Entry {
  readonly key?: Node | undefined;
  readonly value?: Node | undefined;
}

const NO_ENTRY: Entry = {};

/** Finds places in a document that `reader` has read, following its aliases and merged mappings. */
export function locatorIn(root: Node, reader: YamlReader, position: (offset: number) => Position): Locate {
  const indexes = new Map<YAMLMap, ReadonlyMap<string, Entry>>();
  return (path, at) => {
    let place = root;
    let node: Node | undefined = root;
    for (const [depth, step] of path.entries()) {
      const entry = entryOf(reader.resolve(node), step, reader, indexes);
      const isLast = depth === path.length - 1;
      const found: Node | undefined =
        isLast && at === 'key' ? (entry.key ?? entry.value) : (entry.value ?? entry.key);
      if (found === undefined) break;
      place = found;
      node = entry.value;
    }
    return place.range == null ? undefined : position(place.range[0]);
  };
}

function entryOf(
  node: Node | undefined,
  step: string | number,
  reader: YamlReader,
  indexes: Map<YAMLMap, ReadonlyMap<string, Entry>>,
): Entry {
  if (isSeq(node)) {
    const item = typeof step === 'number' ? (node.items[step] as Node | undefined) : undefined;
    return item == null ? NO_ENTRY : { value: item };
  }
  if (!isMap(node)) return NO_ENTRY;
  return indexOf(node, reader, indexes).get(String(step)) ?? NO_ENTRY;
}

/** The entries of a mapping by key, made once: a file may have faults in each of its thousands of keys. */
function indexOf(
  map: YAMLMap,
  reader: YamlReader,
  indexes: Map<YAMLMap, ReadonlyMap<string, Entry>>,
): ReadonlyMap<string, Entry> {
  const known = indexes.get(map);
  if (known !== undefined) return known;
  const own = new Map<string, Entry>();
  indexes.set(map, own);
  const merged: Node[] = [];
  for (const pair of map.items) {
    const keyNode = pair.key as Node;
    if (reader.isMergeKey(keyNode)) {
      merged.push(...reader.mergeSources((pair.value as Node | null) ?? undefined));
      continue;
    }
    const resolved = reader.resolve(keyNode);
    if (!isScalar(resolved)) continue;
    const key = reader.keyText(resolved);
    // An alias as a key is shown where it is written, not where its anchor is.
    const shown = isAlias(keyNode) ? keyNode : resolved;
    if (!own.has(key)) own.set(key, { key: shown, value: (pair.value as Node | null) ?? undefined });
  }
  for (const source of merged) {
    if (!isMap(source)) continue;
    for (const [key, entry] of indexOf(source, reader, indexes)) if (!own.has(key)) own.set(key, entry);
  }
  return own;
}
