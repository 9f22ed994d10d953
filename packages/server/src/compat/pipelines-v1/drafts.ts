import { randomUUID } from 'node:crypto';
import {
  type OlderPipelineStatus,
  type olderPipeline,
  type RunStatus,
  TrainyardError,
  toOlderPipelineStatus,
} from '@trainyard/protocol';
import { type Kysely, sql } from 'kysely';
import type { z } from 'zod';
import { jsonbText } from '../../store/jsonb-text.ts';
import type { Schema, StoredError } from '../../store/schema.ts';

/** A pipeline of the older API, with the run that it became. */
export interface Draft {
  readonly id: string;
  readonly document: Record<string, unknown>;
  readonly rootId: string | null;
  readonly status: OlderPipelineStatus;
  readonly view: z.infer<typeof olderPipeline>;
}

interface Row {
  id: string;
  name: string;
  document: Record<string, unknown>;
  root_id: string | null;
  created_at: Date;
  status: RunStatus | null;
  error: StoredError | null;
  outputs: unknown;
  started_at: Date | null;
  ended_at: Date | null;
}

const COLUMNS = sql`d.id, d.name, d.document, d.root_id, d.created_at, r.status, r.error, r.outputs, r.started_at, r.ended_at`;

export async function createDraft(
  db: Kysely<Schema>,
  draft: { readonly name: string; readonly document: object; readonly createdBy: string | null },
): Promise<Draft> {
  const id = randomUUID();
  await db
    .insertInto('pipeline_drafts')
    .values({
      id,
      name: draft.name,
      document: jsonbText(draft.document),
      created_by: draft.createdBy,
      root_id: null,
    })
    .execute();
  return findDraft(db, id);
}

/** @throws TrainyardError NOT_FOUND */
export async function findDraft(db: Kysely<Schema>, id: string): Promise<Draft> {
  const { rows } = await sql<Row>`
    select ${COLUMNS} from pipeline_drafts d left join runs r on r.id = d.root_id
    where d.id = ${id}`.execute(db);
  if (rows[0] !== undefined) return toDraft(rows[0]);
  throw new TrainyardError('NOT_FOUND', `There is no pipeline ${id}.`);
}

/** Newest first. */
export async function listDrafts(
  db: Kysely<Schema>,
  query: {
    readonly status?: OlderPipelineStatus | undefined;
    readonly offset: number;
    readonly limit: number;
  },
): Promise<Draft[]> {
  const { rows } = await sql<Row>`
    select ${COLUMNS} from pipeline_drafts d left join runs r on r.id = d.root_id
    order by d.created_at desc, d.id desc
    offset ${query.status === undefined ? query.offset : 0} limit ${query.status === undefined ? query.limit : MAX_FILTERED}`.execute(
    db,
  );
  const all = rows.map(toDraft);
  if (query.status === undefined) return all;
  return all.filter(({ status }) => status === query.status).slice(query.offset, query.offset + query.limit);
}

/** Pipelines among which those of one status are looked for. */
const MAX_FILTERED = 10_000;

/** @returns false when it was started before */
export async function noteStarted(db: Kysely<Schema>, id: string, rootId: string): Promise<boolean> {
  const { numUpdatedRows } = await db
    .updateTable('pipeline_drafts')
    .set({ root_id: rootId })
    .where('id', '=', id)
    .where('root_id', 'is', null)
    .executeTakeFirstOrThrow();
  return numUpdatedRows === 1n;
}

/** Of a stage list that says nothing. */
const USUAL_PRIORITY = 5;

function toDraft(row: Row): Draft {
  const { description, priority } = row.document;
  const status = row.status === null ? 'pending' : toOlderPipelineStatus(row.status);
  // Started: never "pending" again, although its first stage may still be.
  const shown = row.root_id !== null && status === 'pending' ? 'running' : status;
  return {
    id: row.id,
    document: row.document,
    rootId: row.root_id,
    status: shown,
    view: {
      uuid: row.id,
      name: row.name,
      status: shown,
      root_task_id: row.root_id,
      description: typeof description === 'string' ? description : null,
      priority: typeof priority === 'number' ? priority : USUAL_PRIORITY,
      results: row.outputs ?? null,
      error_message: row.error?.message ?? null,
      created_at: row.created_at.toISOString(),
      started_at: row.started_at?.toISOString() ?? null,
      completed_at: row.ended_at?.toISOString() ?? null,
    },
  };
}
