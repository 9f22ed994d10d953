import type { PipelineBody, RunPlan } from '@trainyard/protocol';
import { type Kysely, sql } from 'kysely';
import { isAmong } from '../approvals/decider.ts';
import { hasUserTokens } from '../auth/auth.ts';
import { poolUse } from '../limits/resolve-limits.ts';
import type { Schema } from '../store/schema.ts';

type Warnings = RunPlan['warnings'];

interface PoolWant {
  readonly path: string;
  readonly name: string;
  readonly slots: number;
}

interface Waiting {
  readonly path: string;
  readonly approvers: readonly string[];
}

/**
 * Stages that would wait for ever as this server is now: they want more slots than their pool has, or a person
 * who has no token. Nothing is asked of the database for definitions without either.
 */
export async function serverWarnings(db: Kysely<Schema>, definition: PipelineBody): Promise<Warnings> {
  const wants: PoolWant[] = [];
  const waiting: Waiting[] = [];
  collect(definition, '', wants, waiting);
  return [...(await poolWarnings(db, wants)), ...(await approvalWarnings(db, waiting))];
}

function collect(body: PipelineBody, prefix: string, wants: PoolWant[], waiting: Waiting[]): void {
  for (const stage of body.stages) {
    const path = `${prefix}${stage.name}`;
    for (const use of stage.pools ?? []) {
      const { name, slots } = poolUse(use);
      if (!name.includes('${{')) wants.push({ path, name, slots });
    }
    const { approvers, timeout } = stage.approval ?? {};
    if (approvers !== undefined && timeout === undefined) waiting.push({ path, approvers });
    if (stage.pipeline !== undefined) collect(stage.pipeline, `${path}/`, wants, waiting);
  }
}

async function poolWarnings(db: Kysely<Schema>, wants: readonly PoolWant[]): Promise<Warnings> {
  if (wants.length === 0) return [];
  const pools = await db
    .selectFrom('pools')
    .select(['name', 'slots'])
    .where('name', 'in', [...new Set(wants.map(({ name }) => name))])
    .execute();
  const slotsOf = new Map(pools.map(({ name, slots }) => [name, slots]));
  return wants.flatMap(({ path, name, slots }) => {
    const there = slotsOf.get(name);
    if (there === undefined || slots <= there) return [];
    const message = `it needs ${slots} slots of the pool "${name}", which has ${there}: it waits until the pool has more (trainyard pools set ${name} --slots ${slots})`;
    return [{ path, message }];
  });
}

async function approvalWarnings(db: Kysely<Schema>, waiting: readonly Waiting[]): Promise<Warnings> {
  // Without tokens everybody decides, or only the administrator is there.
  if (waiting.length === 0 || !(await hasUserTokens({ kysely: db }))) return [];
  const { rows: tokens } = await sql<{ name: string; scopes: string[] }>`
    select distinct name, scopes from tokens
    where revoked_at is null and (expires_at is null or expires_at > now())
      and scopes && array['user', 'admin']`.execute(db);
  return waiting.flatMap(({ path, approvers }) => {
    if (tokens.some((token) => isAmong(approvers, token))) return [];
    const message = `none of its approvers (${approvers.join(', ')}) is the name of a token that may decide, and it has no timeout: it waits until there is one, or an administrator decides`;
    return [{ path, message }];
  });
}
