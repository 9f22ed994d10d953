import { closestName } from './closest-name.ts';
import { findCycles } from './cycles.ts';
import type { DagNode } from './definition.ts';
import type { FaultList } from './fault.ts';
import { NameIndex } from './name-index.ts';
import type { Links } from './sibling-links.ts';

type Path = readonly (string | number)[];

/** Looking for a similar name reads all names, so only the first unknown ones get a suggestion. */
const MAX_SUGGESTIONS = 5;
const MAX_NAMES_OF_CYCLE = 20;

/**
 * Names and dependencies of the direct children of one DAG; `path` leads to its list of nodes. Gives who depends
 * on whom, by places in that list.
 */
export function checkDependencies(nodes: readonly DagNode[], path: Path, faults: FaultList): Links {
  const index = new NameIndex(nodes.map(({ name }) => name));
  if (index.hasRepeats) addRepeats(nodes, path, faults);
  if (nodes.some(({ foreach }) => foreach !== undefined)) checkNamesOfItems(nodes, index, path, faults);
  const { links, isInOrder } = linkNames(nodes, index, path, faults);
  // Where everything stands behind what it depends on there is no cycle.
  if (!isInOrder) for (const cycle of findCycles(links)) addCycle(cycle, nodes, path, faults);
  return links;
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

function checkNamesOfItems(nodes: readonly DagNode[], names: NameIndex, path: Path, faults: FaultList): void {
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
  names: NameIndex,
  path: Path,
  faults: FaultList,
): { readonly links: Links; readonly isInOrder: boolean } {
  const report = new UnusableNames(path, faults, names);
  const places = new PlacesOfNames(nodes, names);
  const starts = new Int32Array(nodes.length + 1);
  const targets = new Int32Array(nodes.reduce((sum, { dependsOn }) => sum + (dependsOn?.length ?? 0), 0));
  /** By node: one more than the last that depends on it, which tells a dependency named twice. */
  const usedBy = new Int32Array(nodes.length);
  let isInOrder = true;
  let end = 0;
  for (let index = 0; index < nodes.length; index++) {
    const { name, dependsOn } = nodes[index]!;
    for (let position = 0; position < (dependsOn?.length ?? 0); position++) {
      const wanted = dependsOn![position]!;
      const target = places.find(wanted, position);
      if (target === undefined || wanted === name || usedBy[target] === index + 1) {
        report.add(name, wanted, target, [index, 'dependsOn', position]);
        continue;
      }
      usedBy[target] = index + 1;
      targets[end++] = target;
      if (target > index) isInOrder = false;
    }
    starts[index + 1] = end;
  }
  return { links: { starts, targets: targets.subarray(0, end) }, isInOrder };
}

/** Remembers so many positions in lists of dependencies. */
const GUESSED_POSITIONS = 4;

/**
 * Finds the places of names. In chains, in layers and behind a common node a dependency is mostly the same as
 * that of the node before, or the one behind it; to compare is cheaper than to look up, as long as it helps.
 */
class PlacesOfNames {
  readonly #nodes: readonly DagNode[];
  readonly #names: NameIndex;
  /** Of the last node that had one: its dependency at each of the first positions. */
  readonly #last = new Int32Array(GUESSED_POSITIONS).fill(-1);
  #credit = 64;

  constructor(nodes: readonly DagNode[], names: NameIndex) {
    this.#nodes = nodes;
    this.#names = names;
  }

  find(name: string, position: number): number | undefined {
    // With names that repeat, only the first place is meant.
    if (position >= GUESSED_POSITIONS || this.#credit === 0 || this.#names.hasRepeats) {
      return this.#names.get(name);
    }
    const last = this.#last[position]!;
    let place: number | undefined;
    if (this.#nodes[last + 1]?.name === name) place = last + 1;
    else if (last >= 0 && this.#nodes[last]!.name === name) place = last;
    this.#credit += place === undefined ? -1 : this.#credit < 64 ? 1 : 0;
    place ??= this.#names.get(name);
    if (place !== undefined) this.#last[position] = place;
    return place;
  }
}

/** Tells what is wrong with names that cannot be linked. */
class UnusableNames {
  readonly #path: Path;
  readonly #faults: FaultList;
  readonly #known: NameIndex;
  #suggestions = 0;

  constructor(path: Path, faults: FaultList, known: NameIndex) {
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
  const [first, second] = [nodes[cycle[0]!]!, nodes[cycle[1]!]!];
  const names = cycle.map((index) => nodes[index]!.name);
  const left = names.length - MAX_NAMES_OF_CYCLE;
  const shown =
    left > 0 ? [...names.slice(0, MAX_NAMES_OF_CYCLE - 1), `(${left} more)`, names[names.length - 1]] : names;
  const position = first.dependsOn!.indexOf(second.name);
  const message = `Dependency cycle: ${shown.join(' -> ')} (each waits for the next); remove one of these dependencies`;
  faults.add('cycle', [...path, cycle[0]!, 'dependsOn', position], message);
}
