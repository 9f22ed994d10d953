import { setImmediate } from 'node:timers/promises';
import { type PipelineVersionId, TrainyardError, type UsedPipeline } from '@trainyard/protocol';
import { CompiledQuery, type Kysely, type Transaction } from 'kysely';
import { insertDefinition } from '../store/definitions.ts';
import { jsonbText } from '../store/jsonb-text.ts';
import type { Schema } from '../store/schema.ts';
import {
  ATTEMPT_COLUMNS,
  attemptRows,
  EVENT_COLUMNS,
  insertAttemptsSql,
  insertEventsSql,
} from './added-rows.ts';
import { expansionInsert, type Insert, runInserts } from './new-rows.ts';
import type { RunGroup } from './run-group.ts';
import type { RunOrigin } from './submission.ts';
import type { TreeChanges } from './tree-changes.ts';
import { followUps } from './write-tick.ts';

export interface TreeInsert {
  readonly ownerId: string;
  readonly changes: TreeChanges;
  readonly source: string;
  readonly written: string | undefined;
  readonly uses: readonly UsedPipeline[];
  readonly fileName: string | null;
  readonly idempotencyKey: string | null;
  /** Hash of the request: the same key with another request is refused. */
  readonly requestSha256: string;
  readonly pipeline: PipelineVersionId | null;
  /** The concurrency group that the run waits for. */
  readonly group: RunGroup | null;
  readonly origin: RunOrigin | undefined;
  readonly nowMs: number;
}

/**
 * Stores a new run tree with all its runs, first attempts and events, owned by this server, or nothing.
 * Returns the id of the root: an earlier one's where the idempotency key was used with the same request.
 * @throws TrainyardError IDEMPOTENCY_MISMATCH
 */
export async function insertTree(
  db: Kysely<Schema>,
  insert: TreeInsert,
): Promise<{ rootId: string; isNew: boolean }> {
  return db.transaction().execute(async (trx) => {
    const { changes } = insert;
    const rows = statementsOf(changes, insert.nowMs);
    const treeRow = insertTreeRow(trx, insert);
    // What comes next is prepared while the database is busy with what went before.
    let next = await prepared(rows, treeRow);
    const earlier = await treeRow;
    if (earlier !== undefined) return { rootId: earlier, isNew: false };
    while (next.done !== true) {
      const { text, values } = next.value;
      const stored = trx.executeQuery(CompiledQuery.raw(text, values));
      next = await prepared(rows, stored);
      await stored;
    }
    return { rootId: changes.tree.rootId, isNew: true };
  });
}

/** The next statement, put together while `running` is under way, whose failure is for who awaits it. */
async function prepared(rows: Iterator<Insert>, running: Promise<unknown>): Promise<IteratorResult<Insert>> {
  running.catch(() => {});
  // Only now is it sent.
  await setImmediate();
  return rows.next();
}

/** All rows of the tree behind that of the tree itself, in their order. */
function* statementsOf(changes: TreeChanges, nowMs: number): Generator<Insert> {
  yield* runInserts(changes.tree, 0);
  if (changes.expansions.length > 0) yield expansionInsert(changes);
  yield { text: insertAttemptsSql(1), values: ATTEMPT_COLUMNS.values(attemptRows([changes], nowMs)) };
  yield { text: insertEventsSql(1), values: EVENT_COLUMNS.values(changes.events) };
  yield* followUps([changes], nowMs);
}

async function insertTreeRow(trx: Transaction<Schema>, insert: TreeInsert): Promise<string | undefined> {
  const { tree } = insert.changes;
  const { source, written, uses } = insert;
  const sha256 = await insertDefinition(trx, { source, written, uses, definition: tree.definition });
  const inserted = await trx
    .insertInto('trees')
    .values({
      root_id: tree.rootId,
      name: tree.definition.name,
      status: tree.runs[0]!.status,
      definition_sha256: sha256,
      file_name: insert.fileName,
      base_dir: tree.baseDir,
      counts: jsonbText(tree.counts),
      event_seq: tree.eventSeq,
      owner_id: insert.ownerId,
      epoch: tree.epoch,
      idempotency_key: insert.idempotencyKey,
      request_sha256: insert.requestSha256,
      pipeline_name: insert.pipeline?.name ?? null,
      pipeline_version: insert.pipeline?.version ?? null,
      rerun_of: tree.rerun?.rootId ?? null,
      rerun: tree.rerun === null ? null : jsonbText(tree.rerun.request),
      only_stages: tree.only === null ? null : [...tree.only],
      group_name: insert.group?.name ?? null,
      group_limit: insert.group?.limit ?? null,
      group_conflict: insert.group?.onConflict ?? null,
      cache_basis: tree.cacheBasis === null ? null : jsonbText(tree.cacheBasis),
      no_cache: tree.noCache,
      created_by: insert.origin?.createdBy ?? null,
      created_at: new Date(insert.nowMs),
      ended_at: tree.runs[0]!.endedAt,
    })
    .onConflict((conflict) => conflict.column('idempotency_key').doNothing())
    .returning('root_id')
    .executeTakeFirst();
  if (inserted !== undefined) {
    await insertOrigin(trx, tree.rootId, insert.origin);
    return undefined;
  }
  const earlier = await trx
    .selectFrom('trees')
    .select(['root_id', 'request_sha256'])
    .where('idempotency_key', '=', insert.idempotencyKey)
    .executeTakeFirstOrThrow();
  if (earlier.request_sha256 === insert.requestSha256) return earlier.root_id;
  throw new TrainyardError(
    'IDEMPOTENCY_MISMATCH',
    `The idempotency key "${insert.idempotencyKey}" was used for another request (run ${earlier.root_id}). Use a new key.`,
  );
}

async function insertOrigin(
  trx: Transaction<Schema>,
  rootId: string,
  origin: RunOrigin | undefined,
): Promise<void> {
  if (origin?.resumes === undefined) return;
  const { runId, checkpoint, adjustments } = origin.resumes;
  await trx
    .insertInto('resumed_jobs')
    .values({ root_id: rootId, from_run: runId, checkpoint, adjustments: jsonbText(adjustments) })
    .execute();
}
