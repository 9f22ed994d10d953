import {
  type JsonValue,
  type PipelineVersionRef,
  TRIGGER_LIMITS,
  TrainyardError,
  type Trigger,
} from '@trainyard/protocol';
import { type Selectable, sql } from 'kysely';
import type { TriggersTable } from './automation-schema.ts';
import type { Database } from './database.ts';
import { jsonbText } from './jsonb-text.ts';

export interface NewTrigger {
  readonly id: string;
  readonly name: string;
  readonly pipeline: string;
  readonly version: PipelineVersionRef;
  readonly params: Readonly<Record<string, JsonValue>>;
  readonly when: string | null;
  readonly secret: Buffer;
  readonly secretKeyId: string;
  readonly createdAt: Date;
}

/** What the check of a message needs. */
export interface TriggerSecret {
  readonly trigger: Trigger;
  readonly secret: Buffer;
  readonly secretKeyId: string;
}

export interface TriggerStore {
  /** @throws TrainyardError CONFLICT when the name is taken or there are too many */
  add(trigger: NewTrigger): Promise<Trigger>;
  /** By name. */
  list(): Promise<Trigger[]>;
  /** By name or id. @throws TrainyardError NOT_FOUND */
  get(nameOrId: string): Promise<Trigger>;
  /** @throws TrainyardError NOT_FOUND */
  remove(nameOrId: string): Promise<void>;
  findSecret(id: string): Promise<TriggerSecret | undefined>;
  noteRun(id: string, runId: string, at: Date): Promise<void>;
}

export function createTriggerStore({ kysely }: Database, keyId: string): TriggerStore {
  const rows = () => kysely.selectFrom('triggers').selectAll().orderBy('name');
  return {
    async add(trigger) {
      const { rows: added } = await sql<Selectable<TriggersTable>>`
        insert into triggers
          (id, name, pipeline, version, params, condition, secret, secret_key_id, created_at)
        select ${trigger.id}, ${trigger.name}, ${trigger.pipeline},
          ${trigger.version === 'latest' ? null : trigger.version}::int, ${jsonbText(trigger.params)}::jsonb,
          ${trigger.when}, ${trigger.secret}, ${trigger.secretKeyId}, ${trigger.createdAt}::timestamptz
        where (select count(*) from triggers) < ${TRIGGER_LIMITS.triggers}
        on conflict (name) do nothing
        returning *`.execute(kysely);
      if (added[0] !== undefined) return toTrigger(added[0], keyId);
      const taken = await rows().where('name', '=', trigger.name).executeTakeFirst();
      throw new TrainyardError(
        'CONFLICT',
        taken === undefined
          ? `There are ${TRIGGER_LIMITS.triggers} triggers already; remove one first: trainyard triggers remove NAME`
          : `There is a trigger "${trigger.name}" already (${taken.id}); remove it first or take another name.`,
      );
    },
    list: async () => (await rows().execute()).map((row) => toTrigger(row, keyId)),
    async get(nameOrId) {
      const row = await rows()
        .where((eb) => eb.or([eb('name', '=', nameOrId), eb('id', '=', nameOrId)]))
        .executeTakeFirst();
      if (row === undefined) throw notFound(nameOrId);
      return toTrigger(row, keyId);
    },
    async remove(nameOrId) {
      const { numDeletedRows } = await kysely
        .deleteFrom('triggers')
        .where((eb) => eb.or([eb('name', '=', nameOrId), eb('id', '=', nameOrId)]))
        .executeTakeFirstOrThrow();
      if (numDeletedRows === 0n) throw notFound(nameOrId);
    },
    async findSecret(id) {
      const row = await rows().where('id', '=', id).executeTakeFirst();
      if (row === undefined) return undefined;
      return { trigger: toTrigger(row, keyId), secret: row.secret, secretKeyId: row.secret_key_id };
    },
    async noteRun(id, runId, at) {
      await kysely
        .updateTable('triggers')
        .set({ last_run_id: runId, last_run_at: at })
        .where('id', '=', id)
        .execute();
    },
  };
}

function notFound(nameOrId: string): TrainyardError {
  return new TrainyardError('NOT_FOUND', `There is no trigger "${nameOrId}".`);
}

function toTrigger(row: Selectable<TriggersTable>, keyId: string): Trigger {
  return {
    id: row.id,
    name: row.name,
    path: `/api/v1/hooks/${row.id}`,
    pipeline: row.pipeline,
    version: row.version ?? 'latest',
    params: row.params as Trigger['params'],
    when: row.condition,
    createdAt: row.created_at.toISOString(),
    lastRunId: row.last_run_id,
    lastRunAt: row.last_run_at?.toISOString() ?? null,
    canVerify: row.secret_key_id === keyId,
  };
}
