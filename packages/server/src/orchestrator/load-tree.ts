import { type Effect, type NodeSnapshot, restoreState } from '@trainyard/dag';
import type { Kysely } from 'kysely';
import { checkStored } from '../definition/index.ts';
import { readRerun } from '../rerun/rerun.ts';
import { timedApprovals } from '../store/approvals.ts';
import { toRun } from '../store/runs.ts';
import type { Schema } from '../store/schema.ts';
import { countLeaf, isCounted, type OwnedTree, planOf, stagesBySource } from './owned-tree.ts';
import { queueTimers } from './queue-timeout.ts';
import type { TimerRequest } from './tree-changes.ts';

export interface LoadedTree {
  readonly tree: OwnedTree;
  /** Those that have to be armed again, of the planner, approvals and queues. */
  readonly timers: readonly TimerRequest[];
}

/** Rebuilds a tree from its rows after a restart or a take-over. The caller owns it with `epoch`. */
export async function loadTree(
  db: Kysely<Schema>,
  input: { readonly rootId: string; readonly epoch: number; readonly nowMs: number },
): Promise<LoadedTree> {
  const row = await db
    .selectFrom('trees')
    .innerJoin('definitions', 'definitions.sha256', 'trees.definition_sha256')
    .select([
      'definitions.source',
      'definitions.written',
      'trees.base_dir',
      'trees.event_seq',
      'trees.rerun_of',
      'trees.rerun',
      'trees.only_stages',
      'trees.cache_basis',
      'trees.no_cache',
    ])
    .where('trees.root_id', '=', input.rootId)
    .executeTakeFirstOrThrow();
  const checked = checkStored(row);
  if (!checked.ok) {
    throw new Error(`The stored definition of ${input.rootId} is not valid: ${checked.faults[0]?.message}`);
  }
  const { definition } = checked;
  const plan = planOf(checked.plan, { seed: input.rootId, only: row.only_stages });
  const rows = await db
    .selectFrom('runs')
    .selectAll()
    .where('root_id', '=', input.rootId)
    .orderBy('node_index')
    .execute();
  const runs = rows.map(toRun);
  const snapshots = rows.flatMap((run) =>
    run.planner === null ? [] : [run.planner as unknown as NodeSnapshot],
  );
  const expansions = await db
    .selectFrom('tree_expansions')
    .select(['node', 'count'])
    .where('root_id', '=', input.rootId)
    .orderBy('sequence')
    .execute();
  const rerunOf = row.rerun_of === null ? null : { rootId: row.rerun_of, request: row.rerun! };
  // Timers keep the instants at which they were due: what has ended before then was in time.
  const restored = restoreState(plan, snapshots, 0, expansions);
  const tree: OwnedTree = {
    rootId: input.rootId,
    epoch: input.epoch,
    definition,
    plan,
    stages: stagesBySource(definition),
    baseDir: row.base_dir,
    rerun: await readRerun(db, rerunOf, {
      definition,
      params: runs[0]!.params,
      baseDir: row.base_dir,
      cacheBasis: row.cache_basis,
    }),
    only: row.only_stages,
    cacheBasis: row.cache_basis,
    noCache: row.no_cache,
    state: restored.state,
    runs,
    counts: {},
    eventSeq: row.event_seq,
  };
  for (const { index, status } of runs) if (isCounted(tree, index)) countLeaf(tree, status, 1);
  const timed = await timedApprovals(db, input.rootId);
  const approvals = timed.map(({ node, timeoutAtMs, isEscalated }): TimerRequest => {
    const kind = isEscalated ? 'approval_escalation' : 'approval_timeout';
    return { atMs: Math.max(timeoutAtMs, input.nowMs), node, kind, attempt: runs[node]!.attempt };
  });
  const queued = await queueTimers(db, input.rootId, input.nowMs);
  return { tree, timers: [...restored.effects.flatMap(timerOf), ...approvals, ...queued] };
}

function timerOf(effect: Effect): TimerRequest[] {
  if (effect.type !== 'set_timer') return [];
  const { at, node, kind, attempt } = effect;
  return [{ atMs: at, node, kind, attempt }];
}
