import type { JsonValue, Run } from '@trainyard/protocol';
import type { Kysely } from 'kysely';
import { toRun } from '../store/runs.ts';
import type { Schema } from '../store/schema.ts';
import { type ChangedStages, keptStages, type RerunRequest, whyRunAgain } from './kept-stages.ts';
import { ItemCounter, joinIdentity, stageIdentities } from './stage-identity.ts';

/** What a re-run takes over from an earlier run instead of running a stage. */
export interface KeptResult {
  /** The run whose results are taken over, and the one that once produced them. */
  readonly from: string;
  readonly producedBy: string;
  readonly outcome: 'completed' | 'stopped';
  readonly outputs: unknown;
  readonly params: Readonly<Record<string, unknown>>;
}

/** How a node of the new tree is found in the earlier one. */
export interface NodePlace {
  readonly node: number;
  readonly parent: NodePlace | null;
  readonly name: string;
  /** Of an item of a foreach: its number, and the values of all items. */
  readonly item: { readonly index: number; readonly values: () => readonly JsonValue[] } | null;
}

/** The results of an earlier run that a re-run keeps. */
export class KeptResults {
  readonly #byIdentity: ReadonlyMap<string, KeptResult>;
  /** Of the foreach nodes met so far: what stands for their items. */
  readonly #items = new Map<number, readonly string[]>();

  /** Why other stages of the earlier run are not kept; only where somebody asks. */
  readonly #why: ReadonlyMap<string, string> | undefined;

  constructor(earlier: readonly Run[], kept: ReadonlySet<string>, why?: ReadonlyMap<string, string>) {
    const identities = stageIdentities(earlier);
    this.#why = why && new Map(earlier.map(({ id }) => [identities.get(id)!, why.get(id) ?? '']));
    this.#byIdentity = new Map(
      earlier.filter(({ id }) => kept.has(id)).map((run) => [identities.get(run.id)!, toResult(run)]),
    );
  }

  get size(): number {
    return this.#byIdentity.size;
  }

  find(place: NodePlace): KeptResult | undefined {
    return this.#byIdentity.size === 0 ? undefined : this.#byIdentity.get(this.#identityOf(place));
  }

  /** Why nothing is kept for a stage. Needs to have been asked for when this was read. */
  whyNot(place: NodePlace): string {
    return this.#why?.get(this.#identityOf(place)) ?? 'the earlier run has no such stage';
  }

  #identityOf({ parent, name, item }: NodePlace): string {
    if (parent === null) return '';
    const around = this.#identityOf(parent);
    if (item === null) return joinIdentity(around, name);
    let items = this.#items.get(parent.node);
    if (items === undefined) {
      const counter = new ItemCounter();
      items = item.values().map((value) => counter.next(value));
      this.#items.set(parent.node, items);
    }
    return joinIdentity(around, items[item.index]!);
  }
}

function toResult({ id, keptFrom, cachedFrom, status, outputs, params }: Run): KeptResult {
  const outcome = status === 'stopped' ? 'stopped' : 'completed';
  return { from: id, producedBy: keptFrom ?? cachedFrom ?? id, outcome, outputs, params };
}

/** Reads what a re-run of `rootId` keeps. A tree that is not there any more keeps nothing: all runs again. */
export async function readKeptResults(
  db: Kysely<Schema>,
  rootId: string,
  request: RerunRequest,
  changesSince: (earlierParams: Readonly<Record<string, unknown>>) => ChangedStages | Promise<ChangedStages>,
  isExplained = false,
): Promise<KeptResults> {
  const earlier = await readEarlierRuns(db, rootId);
  const root = earlier[0];
  if (root === undefined) return new KeptResults([], new Set());
  const changed = await changesSince(root.params);
  const why = isExplained ? whyRunAgain(earlier, request, changed) : undefined;
  return new KeptResults(earlier, keptStages(earlier, request, changed), why);
}

/** All runs of a tree; parents come before what is inside of them, items in their order. */
export async function readEarlierRuns(db: Kysely<Schema>, rootId: string): Promise<Run[]> {
  const rows = await db
    .selectFrom('runs')
    .selectAll()
    .where('root_id', '=', rootId)
    .orderBy('node_index')
    .execute();
  return rows.map(toRun);
}
