import { closestName } from './closest-name.ts';
import { findCycles } from './cycles.ts';
import type { DagNode } from './definition.ts';
import type { FaultList } from './fault.ts';
import { NameIndex } from './name-index.ts';
import type { PlacesByName } from './numbered-names.ts';
import { NumberedNames } from './numbered-names.ts';
import type { Links } from './sibling-links.ts';

type Path = readonly (string | number)[];

/** Looking for a similar name reads all names, so only the first unknown ones get a suggestion. */
const MAX_SUGGESTIONS = 5;
const MAX_NAMES_OF_CYCLE = 20;

/**
 * Names and dependencies, of which there are `count`, of the direct children of one DAG; `path` leads to its list
 * of nodes. Gives who depends on whom, by the numbers of a plan of this DAG alone: 0 is the DAG itself, and one
 * more than its place each node.
 */
export function checkDependencies(
  nodes: readonly DagNode[],
  count: number,
  path: Path,
  faults: FaultList,
): Links {
  const numbered = NumberedNames.of(nodes);
  const index = numbered ?? new GuessedPlaces(nodes, new NameIndex(nodes.map(({ name }) => name)));
  if (index.hasRepeats) addRepeats(nodes, path, faults);
  if (hasForeach(nodes)) checkNamesOfItems(nodes, index, path, faults);
  const { links, isInOrder } = linkNames(
    nodes,
    new Int32Array(count),
    index,
    new UnusableNames(path, faults, index),
  );
  // Where everything stands behind what it depends on there is no cycle.
  if (!isInOrder) for (const cycle of findCycles(links)) addCycle(cycle, nodes, path, faults);
  return links;
}

function hasForeach(nodes: readonly DagNode[]): boolean {
  for (let index = 0; index < nodes.length; index++) if (nodes[index]!.foreach !== undefined) return true;
  return false;
}

function addRepeats(nodes: readonly DagNode[], path: Path, faults: FaultList): void {
  const firstByName = new Map<string, number>();
  nodes.forEach(({ name }, index) => {
    const first = firstByName.get(name);
    if (first === undefined) {
      firstByName.set(name, index);
      return;
    }
    const message = `The name "${name}" is already used by node ${first}; names are unique among siblings`;
    faults.add('duplicate_name', [...path, index, 'name'], message);
  });
}

function checkNamesOfItems(
  nodes: readonly DagNode[],
  names: PlacesByName,
  path: Path,
  faults: FaultList,
): void {
  nodes.forEach(({ name }, index) => {
    const owner = /^(.+)\[\d+\]$/.exec(name)?.[1];
    const at = owner === undefined ? undefined : names.get(owner);
    if (at === undefined || nodes[at]!.foreach === undefined) return;
    const message = `The name "${name}" is that of an item of "${owner}"; use another one`;
    faults.add('duplicate_name', [...path, index, 'name'], message);
  });
}

function linkNames(
  nodes: readonly DagNode[],
  targets: Int32Array,
  names: PlacesByName,
  report: UnusableNames,
): { readonly links: Links; readonly isInOrder: boolean } {
  const repeats = names.hasRepeats ? nodes : null;
  const starts = new Int32Array(nodes.length + 2);
  const isListed = seenIn(targets, nodes.length + 1);
  let isInOrder = true;
  let end = 0;
  for (let index = 0; index < nodes.length; index++) {
    const { dependsOn } = nodes[index]!;
    const start = end;
    for (let position = 0; position < (dependsOn?.length ?? 0); position++) {
      const wanted = dependsOn![position]!;
      const target = names.get(wanted);
      const isOwn = target === index || (repeats !== null && wanted === repeats[index]!.name);
      if (target === undefined || isOwn || isListed(target + 1, start, end)) {
        report.add(nodes[index]!.name, wanted, target, [index, 'dependsOn', position]);
        continue;
      }
      targets[end++] = target + 1;
      if (target > index) isInOrder = false;
    }
    starts[index + 2] = end;
  }
  return { links: { starts, targets: targets.subarray(0, end) }, isInOrder };
}

/** Longer lists of dependencies are not searched from their start for each. */
const SEARCHED_LIST = 8;

/** Tells whether a target is in the list from `start` to `end` already, which is the last one so far. */
function seenIn(
  targets: Int32Array,
  nodeCount: number,
): (target: number, start: number, end: number) => boolean {
  /** By node: one more than where the last long list began that it is in. */
  let listOf: Int32Array | null = null;
  return (target, start, end) => {
    if (end - start < SEARCHED_LIST) {
      for (let at = start; at < end; at++) if (targets[at] === target) return true;
      return false;
    }
    listOf ??= new Int32Array(nodeCount);
    if (end - start === SEARCHED_LIST) {
      for (let at = start; at < end; at++) listOf[targets[at]!] = start + 1;
    }
    if (listOf[target] === start + 1) return true;
    listOf[target] = start + 1;
    return false;
  };
}

/** Remembers so many positions in lists of dependencies. */
const GUESSED_PLACES = 4;

/**
 * Names of no particular kind. In chains, in layers and behind a common node a dependency is mostly one of those
 * found last, or the one behind it; to compare is cheaper than to look up, as long as it helps.
 */
class GuessedPlaces implements PlacesByName {
  readonly #nodes: readonly DagNode[];
  readonly #names: NameIndex;
  /** The places found last, in a ring. */
  readonly #last = new Int32Array(GUESSED_PLACES).fill(-1);
  #next = 0;
  #credit = 64;

  constructor(nodes: readonly DagNode[], names: NameIndex) {
    this.#nodes = nodes;
    this.#names = names;
  }

  get hasRepeats(): boolean {
    return this.#names.hasRepeats;
  }

  keys(): Iterable<string> {
    return this.#names.keys();
  }

  get(name: string): number | undefined {
    // With names that repeat, only the first place is meant.
    if (this.#credit === 0 || this.#names.hasRepeats) return this.#names.get(name);
    const guessed = this.#guess(name);
    this.#credit += guessed === undefined ? -1 : this.#credit < 64 ? 1 : 0;
    if (guessed !== undefined) return guessed;
    const place = this.#names.get(name);
    if (place !== undefined) this.#remember(this.#next, place);
    return place;
  }

  #guess(name: string): number | undefined {
    for (let at = 0; at < GUESSED_PLACES; at++) {
      const last = this.#last[at]!;
      if (last >= 0 && this.#nodes[last]!.name === name) return last;
      if (this.#nodes[last + 1]?.name !== name) continue;
      this.#last[at] = last + 1;
      return last + 1;
    }
    return undefined;
  }

  #remember(at: number, place: number): void {
    this.#last[at] = place;
    this.#next = (at + 1) % GUESSED_PLACES;
  }
}

/** Tells what is wrong with names that cannot be linked. */
class UnusableNames {
  readonly #path: Path;
  readonly #faults: FaultList;
  readonly #known: PlacesByName;
  #suggestions = 0;

  constructor(path: Path, faults: FaultList, known: PlacesByName) {
    this.#path = path;
    this.#faults = faults;
    this.#known = known;
  }

  add(name: string, wanted: string, target: number | undefined, place: Path): void {
    const path = [...this.#path, ...place];
    if (wanted === name) {
      this.#faults.add('self_dependency', path, `"${name}" depends on itself`);
    } else if (target !== undefined) {
      this.#faults.add('duplicate_dependency', path, `"${name}" names the dependency "${wanted}" twice`);
    } else {
      const mayLook = this.#suggestions++ < MAX_SUGGESTIONS;
      const similar = mayLook ? closestName(wanted, this.#known.keys()) : undefined;
      const hint =
        similar === undefined ? 'it is not a sibling in the same DAG' : `did you mean "${similar}"?`;
      const message = `"${name}" depends on unknown node "${wanted}"; ${hint}`;
      this.#faults.add('unknown_dependency', path, message);
    }
  }
}

function addCycle(cycle: readonly number[], nodes: readonly DagNode[], path: Path, faults: FaultList): void {
  const inCycle = cycle.map((number) => nodes[number - 1]!);
  const [first, second] = [inCycle[0]!, inCycle[1]!];
  const names = inCycle.map(({ name }) => name);
  const left = names.length - MAX_NAMES_OF_CYCLE;
  const shown =
    left > 0 ? [...names.slice(0, MAX_NAMES_OF_CYCLE - 1), `(${left} more)`, names[names.length - 1]] : names;
  const position = first.dependsOn!.indexOf(second.name);
  const message = `Dependency cycle: ${shown.join(' -> ')} (each waits for the next); remove one of these dependencies`;
  faults.add('cycle', [...path, cycle[0]! - 1, 'dependsOn', position], message);
}
