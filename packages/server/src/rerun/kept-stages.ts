import { isFailedSkip } from '@trainyard/dag';
import type { Run } from '@trainyard/protocol';

export type EarlierRun = Pick<
  Run,
  'id' | 'parentId' | 'kind' | 'name' | 'path' | 'status' | 'reason' | 'dependsOn' | 'item'
>;

/** What is to run again although it had ended well. */
export interface RerunRequest {
  /** Everything. */
  readonly all: boolean;
  /** Paths of stages, or of items such as `tune[2]`. */
  readonly stages: readonly string[];
  /** The definition is another one, of which only what is still asked for in the same way is kept. */
  readonly isMended?: boolean;
}

/** What is not as it was for the earlier run; paths of stages in the definition, without item numbers. */
export interface ChangedStages {
  /** What these are asked to do, or are given, is new: they run again, with everything inside of them. */
  readonly inputs: ReadonlySet<string>;
  /** Whether these run, or for which items, may be new: what they did before still counts. */
  readonly course: ReadonlySet<string>;
  /** Why, for those of `inputs` of which that is known. */
  readonly why?: ReadonlyMap<string, string>;
}

/**
 * Ids of the runs whose results a re-run keeps: stages that had ended well and depend, directly, through others
 * or through a pipeline around them, on nothing that runs again. Pure, so the same question always has the same
 * answer. `runs` are those of a tree that has ended, parents before children.
 */
export function keptStages(
  runs: readonly EarlierRun[],
  request: RerunRequest,
  changed: ChangedStages,
): ReadonlySet<string> {
  if (request.all) return new Set();
  return new Set(judgedTree(runs, request, changed).kept());
}

/** By the ids of runs that are not kept: why their stages run again. */
export function whyRunAgain(
  runs: readonly EarlierRun[],
  request: RerunRequest,
  changed: ChangedStages,
): ReadonlyMap<string, string> {
  if (request.all) return new Map(runs.map(({ id }) => [id, 'everything is to run again']));
  return judgedTree(runs, request, changed).reasons();
}

function judgedTree(runs: readonly EarlierRun[], request: RerunRequest, changed: ChangedStages): EarlierTree {
  const tree = new EarlierTree(runs);
  const asked = new Set(request.stages);
  for (const [index, run] of runs.entries()) {
    const path = stagePath(run.path);
    if (asked.has(run.path)) tree.runAgain(index, 'it is to run again');
    else if (changed.inputs.has(path))
      tree.runAgain(index, changed.why?.get(path) ?? 'its params have changed');
    else if (!endedWell(run) || changed.course.has(path)) tree.mayEndOtherwise(index);
  }
  tree.spread();
  return tree;
}

/** True when everything had ended well, so that a re-run from what failed has nothing to do. */
export function hasNothingLeft(runs: readonly EarlierRun[]): boolean {
  return runs.every(endedWell);
}

/** The path in the definition: an item of a foreach is the stage that it is a copy of. */
export function stagePath(path: string): string {
  return path.replaceAll(/\[\d+\]/g, '');
}

function endedWell({ status, reason }: EarlierRun): boolean {
  if (status === 'completed' || status === 'stopped') return true;
  return status === 'skipped' && !isFailedSkip(reason);
}

class EarlierTree {
  readonly #runs: readonly EarlierRun[];
  readonly #parents: readonly number[];
  readonly #children: readonly (readonly number[])[];
  readonly #dependents: readonly (readonly number[])[];
  /** Runs whose own results do not count any more, and why. */
  readonly #again = new Map<number, string>();
  /** Runs that may end otherwise than before, so that what depends on them runs again. */
  readonly #otherwise = new Set<number>();
  readonly #unspread: number[] = [];

  constructor(runs: readonly EarlierRun[]) {
    this.#runs = runs;
    const indexById = new Map(runs.map(({ id }, index) => [id, index]));
    this.#parents = runs.map(({ parentId }) => (parentId === null ? -1 : indexById.get(parentId)!));
    this.#children = listsOf(runs.length, this.#parents.entries());
    const bySibling = new Map(runs.map(({ parentId, name }, index) => [`${parentId}/${name}`, index]));
    this.#dependents = listsOf(
      runs.length,
      runs.flatMap(({ parentId, dependsOn }, index) =>
        dependsOn.map((name) => [index, bySibling.get(`${parentId}/${name}`) ?? -1] as const),
      ),
    );
  }

  runAgain(top: number, why: string): void {
    const open = [top];
    for (let index = open.pop(); index !== undefined; index = open.pop()) {
      if (this.#again.has(index)) continue;
      this.#again.set(index, why);
      this.mayEndOtherwise(index);
      for (const child of this.#children[index]!) open.push(child);
    }
  }

  mayEndOtherwise(index: number): void {
    if (this.#otherwise.has(index)) return;
    this.#otherwise.add(index);
    this.#unspread.push(index);
  }

  /** Runs again what depends on anything that may end otherwise, further and further. */
  spread(): void {
    for (let index = this.#unspread.pop(); index !== undefined; index = this.#unspread.pop()) {
      const dependents = this.#dependents[index]!;
      const why =
        dependents.length > 0 ? `it depends on "${this.#runs[index]!.path}", which may end otherwise` : '';
      for (const dependent of dependents) this.runAgain(dependent, why);
      const parent = this.#parents[index]!;
      if (parent >= 0) this.mayEndOtherwise(parent);
    }
  }

  reasons(): ReadonlyMap<string, string> {
    const reasons = new Map<string, string>();
    for (const [index, run] of this.#runs.entries()) {
      const why = this.#again.get(index);
      if (why !== undefined) reasons.set(run.id, why);
      else if (run.status === 'skipped') reasons.set(run.id, `it was skipped there (${run.reason})`);
      else if (run.status !== 'completed' && run.status !== 'stopped')
        reasons.set(run.id, `it ended ${run.status} there`);
    }
    return reasons;
  }

  *kept(): Generator<string> {
    for (const [index, { id, kind, status }] of this.#runs.entries()) {
      const isLeaf = kind !== 'pipeline';
      if (isLeaf && !this.#again.has(index) && (status === 'completed' || status === 'stopped')) yield id;
    }
  }
}

function listsOf(size: number, pairs: Iterable<readonly [member: number, list: number]>): number[][] {
  const lists: number[][] = Array.from({ length: size }, () => []);
  for (const [member, list] of pairs) lists[list]?.push(member);
  return lists;
}
