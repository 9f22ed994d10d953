import { type JsonValue, numberProblem } from '@trainyard/protocol/definition';
import {
  type Alias,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  type Node,
  type Scalar,
  type YAMLMap,
  type YAMLSeq,
} from 'yaml';
import { clip, type Fault, INEXACT_NUMBER, type Position } from './faults.ts';
import { ScalarTexts } from './scalar-text.ts';
import { isPrototypeKey, MAX_VALUE_DEPTH, MAX_VALUES } from './value-limits.ts';

interface Anchored {
  readonly node: Node;
  /** `undefined` while the node is being read: an alias to it would be a loop. */
  result: { readonly json: JsonValue; readonly size: number } | undefined;
}

/**
 * Turns YAML nodes into JSON. Differs from the library's `toJS` in what a stranger's file needs: aliases
 * share their value and count with its whole size, so a bomb is refused in time proportional to the file;
 * duplicate and prototype keys are faults; every fault has its place.
 */
export class YamlReader {
  readonly faults: Fault[] = [];
  readonly #position: (offset: number) => Position;
  readonly #anchors = new Map<string, Anchored>();
  readonly #targets = new Map<Alias, Node>();
  readonly #texts = new ScalarTexts();
  #values = 0;
  #stopped = false;

  constructor(position: (offset: number) => Position) {
    this.#position = position;
  }

  read(root: Node): JsonValue | undefined {
    const json = this.#read(root, 0);
    if (this.#stopped) return undefined;
    this.#texts.keepInPrograms(json);
    for (const scalar of this.#texts.scalars()) this.#refuseInexact(scalar);
    return json;
  }

  /** The node that an alias stands for; any other node itself. */
  resolve(node: Node | undefined): Node | undefined {
    return isAlias(node) ? this.#targets.get(node) : node;
  }

  isMergeKey(key: unknown): boolean {
    return isScalar(key) && key.type === 'PLAIN' && (key.value === '<<' || typeof key.value === 'symbol');
  }

  /** The maps that a merge key brings in, first ones winning. */
  mergeSources(value: Node | undefined): Node[] {
    const node = this.resolve(value);
    if (!isSeq(node)) return node === undefined ? [] : [node];
    return node.items.flatMap((item) => this.resolve(item as Node) ?? []);
  }

  keyText(key: Scalar): string {
    return typeof key.value === 'string' ? key.value : (key.source ?? String(key.value));
  }

  #read(node: Node | null, depth: number): JsonValue {
    if (this.#stopped || node === null) return null;
    if (depth > MAX_VALUE_DEPTH) {
      return this.#stop('TOO_DEEP', `values are nested deeper than ${MAX_VALUE_DEPTH} levels`, node);
    }
    if (isAlias(node)) return this.#readAlias(node);
    const anchor = 'anchor' in node && typeof node.anchor === 'string' ? node.anchor : undefined;
    const entry: Anchored = { node, result: undefined };
    if (anchor !== undefined) this.#anchors.set(anchor, entry);
    const before = this.#values;
    if (!this.#count(1, node)) return null;
    const json = this.#readContent(node, depth);
    entry.result = { json, size: this.#values - before };
    return json;
  }

  #readContent(node: Node, depth: number): JsonValue {
    if (isMap(node)) return this.#readMap(node, depth);
    if (isSeq(node)) return this.#readList(node, depth);
    if (!isScalar(node)) return null;
    const value = node.value;
    if (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean') return value;
    return typeof value === 'symbol' ? (node.source ?? '<<') : null;
  }

  #readList({ items }: YAMLSeq, depth: number): JsonValue {
    const list = items.map((item) => this.#read(item as Node | null, depth + 1));
    this.#texts.note(
      list,
      items.map((item, at) => [String(at), this.resolve((item ?? undefined) as Node | undefined)]),
    );
    return list;
  }

  /** What a program would be given in other words, or not as it was meant. */
  #refuseInexact(scalar: Scalar): void {
    const { value, source = String(value) } = scalar;
    if (typeof value !== 'number') return;
    if (!Number.isFinite(value)) {
      this.#fault('BAD_VALUE', `${source} is not a number that JSON can hold`, scalar);
      return;
    }
    const problem = numberProblem(source, value);
    if (problem === undefined) return;
    const message = `${clip(source)} is ${problem} and would be changed; write it as text, in quotes`;
    this.#fault(INEXACT_NUMBER, message, scalar);
  }

  #readAlias(alias: Alias): JsonValue {
    const target = this.#anchors.get(alias.source);
    if (target === undefined) {
      this.#fault('UNKNOWN_ALIAS', `there is no anchor "&${alias.source}" before this alias`, alias);
      return null;
    }
    if (target.result === undefined) {
      return this.#stop('ALIAS_LOOP', `the alias "*${alias.source}" stands inside its own anchor`, alias);
    }
    this.#targets.set(alias, target.node);
    return this.#count(target.result.size, alias) ? target.result.json : null;
  }

  #readMap(map: YAMLMap, depth: number): JsonValue {
    const own = new Map<string, JsonValue>();
    const firstAt = new Map<string, Node>();
    const merged: JsonValue[] = [];
    const nodes: [string, Node | undefined][] = [];
    for (const pair of map.items) {
      const keyNode = pair.key as Node;
      if (this.isMergeKey(keyNode)) {
        merged.push(...this.#readMerge(pair.value as Node | null, keyNode, depth));
        continue;
      }
      const key = this.#readKey(keyNode);
      const value = this.#read(pair.value as Node | null, depth + 1);
      if (this.#stopped) return null;
      if (key === undefined) continue;
      const first = firstAt.get(key);
      if (first !== undefined) {
        const line = this.#placeOf(first)?.line ?? 1;
        const message = `the key ${clip(key)} is given twice in one mapping; the first is in line ${line}`;
        this.#fault('DUPLICATE_KEY', message, keyNode);
        continue;
      }
      firstAt.set(key, keyNode);
      own.set(key, value);
      nodes.push([key, this.resolve((pair.value ?? undefined) as Node | undefined)]);
    }
    const joined = joinMaps(own, merged);
    this.#texts.note(joined, nodes, merged as { [key: string]: JsonValue }[]);
    return joined;
  }

  #readMerge(value: Node | null, keyNode: Node, depth: number): JsonValue[] {
    const json = this.#read(value, depth + 1);
    const maps = Array.isArray(json) ? json : [json];
    if (maps.every((each) => typeof each === 'object' && each !== null && !Array.isArray(each))) return maps;
    this.#fault('BAD_VALUE', '"<<" merges mappings: give an alias of a mapping or a list of such', keyNode);
    return [];
  }

  #readKey(node: Node): string | undefined {
    const value = isAlias(node) ? this.#readAlias(node) : undefined;
    const resolved = this.resolve(node);
    if (!isScalar(resolved) || (value === null && isAlias(node))) {
      this.#fault('BAD_KEY', 'a key must be text, not a list or a mapping', node);
      return undefined;
    }
    if (resolved.anchor !== undefined && !isAlias(node)) {
      const json = this.#readContent(resolved, 0);
      this.#anchors.set(resolved.anchor, { node: resolved, result: { json, size: 1 } });
    }
    const key = this.keyText(resolved);
    if (!isPrototypeKey(key)) return key;
    this.#fault('BAD_KEY', `the key ${clip(key)} is not allowed`, node);
    return undefined;
  }

  /** Counts values, those behind aliases as often as they are used. */
  #count(size: number, node: Node): boolean {
    this.#values += size;
    if (this.#values <= MAX_VALUES) return true;
    const through = isAlias(node) ? `the alias "*${node.source}" expands the file to` : 'the file has';
    this.#stop('TOO_LARGE', `${through} more than ${MAX_VALUES} values`, node);
    return false;
  }

  #stop(code: string, message: string, node: Node): null {
    if (!this.#stopped) this.#fault(code, message, node);
    this.#stopped = true;
    return null;
  }

  #fault(code: string, message: string, node: Node): void {
    this.faults.push({ code, message, path: [], position: this.#placeOf(node) });
  }

  #placeOf(node: Node): Position | undefined {
    return node.range == null ? undefined : this.#position(node.range[0]);
  }
}

/** Own keys win over merged ones, earlier merged maps over later ones. */
function joinMaps(
  own: ReadonlyMap<string, JsonValue>,
  merged: readonly JsonValue[],
): { [key: string]: JsonValue } {
  const object: { [key: string]: JsonValue } = {};
  for (const source of [...merged].reverse()) Object.assign(object, source);
  for (const [key, value] of own) object[key] = value;
  return object;
}
