import {
  type DiagnosisRule,
  FINDING_ACTIONS,
  FINDING_SEVERITIES,
  type FindingAction,
  type FindingInfo,
  type FindingSeverity,
  newId,
} from '@trainyard/protocol';
import { type Kysely, sql } from 'kysely';
import { type Branch, inBranch } from './in-branch.ts';
import type { Schema } from './schema.ts';

/** Whose findings they are. */
export interface DiagnosedAttempt {
  readonly attemptId: string;
  readonly attempt: number;
  readonly runId: string;
  readonly rootId: string;
  readonly node: number;
}

/** A finding as it is stored while it is open. */
export interface OpenFinding {
  readonly rule: DiagnosisRule;
  readonly key: string;
  readonly severity: FindingSeverity;
  readonly action: FindingAction;
  readonly message: string;
  /** Null when there is no point to show it at. */
  readonly evidence: {
    readonly firstStep: number;
    readonly lastStep: number;
    readonly firstTime: number;
    readonly lastTime: number;
  } | null;
}

/** Stores a finding that has begun or got worse. @returns undefined when that is stored already */
export async function openFinding(
  trx: Kysely<Schema>,
  of: DiagnosedAttempt,
  finding: OpenFinding,
  nowMs: number,
): Promise<{ readonly id: string; readonly isNew: boolean } | undefined> {
  const { rule, key, severity, action, message, evidence } = finding;
  const id = newId('fnd', nowMs);
  const severities = sql`array[${sql.join(FINDING_SEVERITIES)}]::text[]`;
  const actions = sql`array[${sql.join(FINDING_ACTIONS)}]::text[]`;
  const { rows } = await sql<{ id: string }>`
    insert into findings as f (id, root_id, run_id, attempt_id, attempt, rule, key, severity, action, message,
      first_step, last_step, first_time, last_time, opened_at)
    values (${id}, ${of.rootId}, ${of.runId}, ${of.attemptId}, ${of.attempt}, ${rule}, ${key}, ${severity},
      ${action}, ${message}, ${evidence?.firstStep ?? null}, ${evidence?.lastStep ?? null},
      ${evidence?.firstTime ?? null}, ${evidence?.lastTime ?? null}, ${new Date(nowMs)})
    on conflict (attempt_id, rule, key) where closed_at is null do update set
      severity = excluded.severity, action = excluded.action, message = excluded.message,
      last_step = excluded.last_step, last_time = excluded.last_time, acknowledged_at = null, acknowledged_by = null
    where array_position(${severities}, f.severity) < array_position(${severities}, excluded.severity)
      or (f.severity = excluded.severity
        and array_position(${actions}, f.action) < array_position(${actions}, excluded.action))
    returning id`.execute(trx);
  const stored = rows[0]?.id;
  return stored === undefined ? undefined : { id: stored, isNew: stored === id };
}

/** Brings message and place of open findings up to date. One that is not open any more stays as it is. */
export async function updateFindings(
  db: Kysely<Schema>,
  findings: readonly (Pick<OpenFinding, 'rule' | 'key' | 'message' | 'evidence'> & {
    readonly attemptId: string;
  })[],
): Promise<void> {
  const column = (of: (finding: (typeof findings)[number]) => string | number | null) => findings.map(of);
  await sql`
    update findings f set message = n.message, first_step = n.first_step, last_step = n.last_step,
      first_time = n.first_time, last_time = n.last_time
    from unnest(
      ${column(({ attemptId }) => attemptId)}::text[], ${column(({ rule }) => rule)}::text[],
      ${column(({ key }) => key)}::text[], ${column(({ message }) => message)}::text[],
      ${column(({ evidence }) => evidence?.firstStep ?? null)}::float8[],
      ${column(({ evidence }) => evidence?.lastStep ?? null)}::float8[],
      ${column(({ evidence }) => evidence?.firstTime ?? null)}::float8[],
      ${column(({ evidence }) => evidence?.lastTime ?? null)}::float8[]
    ) as n (attempt_id, rule, key, message, first_step, last_step, first_time, last_time)
    where f.attempt_id = n.attempt_id and f.rule = n.rule and f.key = n.key and f.closed_at is null`.execute(
    db,
  );
}

/** Marks a finding as over, with the last word on it if there is one. @returns its id; undefined when none is open */
export async function closeFinding(
  trx: Kysely<Schema>,
  attemptId: string,
  { rule, key, message, evidence }: Pick<OpenFinding, 'rule' | 'key'> & Partial<OpenFinding>,
  nowMs: number,
): Promise<string | undefined> {
  const row = await trx
    .updateTable('findings')
    .set({
      closed_at: new Date(nowMs),
      ...(message === undefined ? {} : { message }),
      ...(evidence ? { last_step: evidence.lastStep, last_time: evidence.lastTime } : {}),
    })
    .where('attempt_id', '=', attemptId)
    .where('rule', '=', rule)
    .where('key', '=', key)
    .where('closed_at', 'is', null)
    .returning('id')
    .executeTakeFirst();
  return row?.id;
}

/** What is open in an attempt, and since which step it shows. */
export function openFindings(
  db: Kysely<Schema>,
  attemptId: string,
): Promise<{ rule: DiagnosisRule; key: string; first_step: number | null }[]> {
  return db
    .selectFrom('findings')
    .select(['rule', 'key', 'first_step'])
    .where('attempt_id', '=', attemptId)
    .where('closed_at', 'is', null)
    .execute();
}

/** Most findings that one attempt may have; more say nothing new. */
export const MAX_FINDINGS_OF_ATTEMPT = 1000;

export async function countFindings(db: Kysely<Schema>, of: DiagnosedAttempt): Promise<number> {
  const { count } = await db
    .selectFrom('findings')
    .select(({ fn }) => fn.countAll<number>().as('count'))
    .where('run_id', '=', of.runId)
    .where('attempt_id', '=', of.attemptId)
    .executeTakeFirstOrThrow();
  return Number(count);
}

interface FindingsQuery {
  readonly run?: Branch | undefined;
  /** Also those of all runs inside of it. */
  readonly below: boolean;
  readonly open: boolean;
  readonly unseen: boolean;
  readonly limit: number;
  /** Only those before this id. */
  readonly before: string | undefined;
}

/** Findings, the newest first. */
export async function listFindings(db: Kysely<Schema>, query: FindingsQuery): Promise<FindingInfo[]> {
  const { run } = query;
  let select = selectFindings(db).orderBy('f.id', 'desc').limit(query.limit);
  if (query.before !== undefined) select = select.where('f.id', '<', query.before);
  if (query.open) select = select.where('f.closed_at', 'is', null);
  if (query.unseen) select = select.where('f.acknowledged_at', 'is', null).where('f.action', '<>', 'note');
  if (run !== undefined) {
    select = query.below
      ? select.where('f.root_id', '=', run.rootId).where(inBranch(run))
      : select.where('f.run_id', '=', run.id);
  }
  return (await select.execute()).map(toInfo);
}

/** What is open in an attempt of a run, the worst first. */
export async function openOfRun(db: Kysely<Schema>, runId: string, attempt: number): Promise<FindingInfo[]> {
  const rows = await selectFindings(db)
    .where('f.run_id', '=', runId)
    .where('f.attempt', '=', attempt)
    .where('f.closed_at', 'is', null)
    .orderBy('f.id', 'desc')
    .limit(MAX_FINDINGS_OF_ATTEMPT)
    .execute();
  const rank = (info: FindingInfo): number => FINDING_SEVERITIES.indexOf(info.severity);
  return rows.map(toInfo).sort((a, b) => rank(b) - rank(a));
}

/** Notes that somebody has seen a finding; who was first stays. @returns undefined when there is none */
export async function acknowledgeFinding(
  db: Kysely<Schema>,
  id: string,
  by: string,
): Promise<FindingInfo | undefined> {
  await db
    .updateTable('findings')
    .set({ acknowledged_at: new Date(), acknowledged_by: by })
    .where('id', '=', id)
    .where('acknowledged_at', 'is', null)
    .execute();
  const row = await selectFindings(db).where('f.id', '=', id).executeTakeFirst();
  return row && toInfo(row);
}

function selectFindings(db: Kysely<Schema>) {
  return db
    .selectFrom('findings as f')
    .innerJoin('runs as r', 'r.id', 'f.run_id')
    .innerJoin('trees as t', 't.root_id', 'f.root_id')
    .selectAll('f')
    .select(['r.path', 't.name as pipeline']);
}

type FindingRow = Awaited<ReturnType<ReturnType<typeof selectFindings>['execute']>>[number];

function toInfo(row: FindingRow): FindingInfo {
  const { id, pipeline, path, attempt, rule, key, severity, action, message } = row;
  return {
    ...{ id, runId: row.run_id, rootId: row.root_id, pipeline, path },
    ...{ attempt, rule, key, severity, action, message },
    firstStep: row.first_step,
    lastStep: row.last_step,
    firstTime: row.first_time,
    lastTime: row.last_time,
    openedAt: row.opened_at.toISOString(),
    closedAt: row.closed_at?.toISOString() ?? null,
    acknowledgedAt: row.acknowledged_at?.toISOString() ?? null,
    acknowledgedBy: row.acknowledged_by,
  };
}
