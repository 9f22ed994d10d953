import { closestName } from './closest-name.ts';
import { findCycles } from './cycles.ts';
import type { DagNode } from './definition.ts';
import type { FaultList } from './fault.ts';
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
  const indexByName = indexNames(nodes, path, faults);
  if (nodes.some(({ foreach }) => foreach !== undefined)) {
    checkNamesOfItems(nodes, indexByName, path, faults);
  }
  const { links, isInOrder } = linkNames(nodes, indexByName, path, faults);
  // Where everything stands behind what it depends on there is no cycle.
  if (!isInOrder) for (const cycle of findCycles(links)) addCycle(cycle, nodes, path, faults);
  return links;
}

function indexNames(nodes: readonly DagNode[], path: Path, faults: FaultList): Map<string, number> {
  const indexByName = new Map<string, number>();
  for (let index = 0; index < nodes.length; index++) indexByName.set(nodes[index]!.name, index);
  if (indexByName.size === nodes.length) return indexByName;
  indexByName.clear();
  nodes.forEach(({ name }, index) => {
    const first = indexByName.get(name);
    if (first === undefined) indexByName.set(name, index);
    else {
      const message = `The name "${name}" is already used by node ${first}; names are unique among siblings`;
      faults.add('duplicate_name', [...path, index, 'name'], message);
    }
  });
  return indexByName;
}

function checkNamesOfItems(
  nodes: readonly DagNode[],
  indexByName: ReadonlyMap<string, number>,
  path: Path,
  faults: FaultList,
): void {
  nodes.forEach(({ name }, index) => {
    const owner = /^(.+)\[\d+\]$/.exec(name)?.[1];
    const at = owner === undefined ? undefined : indexByName.get(owner);
    if (at === undefined || nodes[at]!.foreach === undefined) return;
    const message = `The name "${name}" is that of an item of "${owner}"; use another one`;
    faults.add('duplicate_name', [...path, index, 'name'], message);
  });
}

function linkNames(
  nodes: readonly DagNode[],
  indexByName: ReadonlyMap<string, number>,
  path: Path,
  faults: FaultList,
): { readonly links: Links; readonly isInOrder: boolean } {
  const report = new UnusableNames(path, faults, indexByName);
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
      const target = indexByName.get(wanted);
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

/** Tells what is wrong with names that cannot be linked. */
class UnusableNames {
  readonly #path: Path;
  readonly #faults: FaultList;
  readonly #known: ReadonlyMap<string, number>;
  #suggestions = 0;

  constructor(path: Path, faults: FaultList, known: ReadonlyMap<string, number>) {
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
