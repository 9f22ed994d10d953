import { closestName } from './closest-name.ts';
import { findCycles } from './cycles.ts';
import type { DagNode } from './definition.ts';
import type { FaultList } from './fault.ts';

type Path = readonly (string | number)[];

/** Looking for a similar name reads all names, so only the first unknown ones get a suggestion. */
const MAX_SUGGESTIONS = 5;
const MAX_NAMES_OF_CYCLE = 20;

/** Names and dependencies of the direct children of one DAG; `path` leads to its list of nodes. */
export function checkDependencies(nodes: readonly DagNode[], path: Path, faults: FaultList): void {
  const indexByName = new Map<string, number>();
  nodes.forEach(({ name }, index) => {
    const first = indexByName.get(name);
    if (first === undefined) indexByName.set(name, index);
    else {
      const message = `The name "${name}" is already used by node ${first}; names are unique among siblings`;
      faults.add('duplicate_name', [...path, index, 'name'], message);
    }
  });
  nodes.forEach(({ name }, index) => {
    const owner = /^(.+)\[\d+\]$/.exec(name)?.[1];
    const at = owner === undefined ? undefined : indexByName.get(owner);
    if (at === undefined || nodes[at]!.foreach === undefined) return;
    const message = `The name "${name}" is that of an item of "${owner}"; use another one`;
    faults.add('duplicate_name', [...path, index, 'name'], message);
  });
  const edges = linkNames(nodes, indexByName, path, faults);
  for (const cycle of findCycles(edges)) addCycle(cycle, nodes, path, faults);
}

function linkNames(
  nodes: readonly DagNode[],
  indexByName: ReadonlyMap<string, number>,
  path: Path,
  faults: FaultList,
): number[][] {
  let suggestions = 0;
  return nodes.map(({ name, dependsOn = [] }, index) => {
    const targets = new Set<number>();
    dependsOn.forEach((wanted, position) => {
      const place = [...path, index, 'dependsOn', position];
      const target = indexByName.get(wanted);
      if (wanted === name) {
        faults.add('self_dependency', place, `"${name}" depends on itself`);
      } else if (target === undefined) {
        const similar = suggestions++ < MAX_SUGGESTIONS ? closestName(wanted, indexByName.keys()) : undefined;
        const hint =
          similar === undefined ? 'it is not a sibling in the same DAG' : `did you mean "${similar}"?`;
        faults.add('unknown_dependency', place, `"${name}" depends on unknown node "${wanted}"; ${hint}`);
      } else if (targets.has(target)) {
        faults.add('duplicate_dependency', place, `"${name}" names the dependency "${wanted}" twice`);
      } else {
        targets.add(target);
      }
    });
    return [...targets];
  });
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
