import type { PipelineBody, RunPlan } from '@trainyard/protocol';
import { type Kysely, sql } from 'kysely';
import { isAmong } from '../approvals/decider.ts';
import { hasUserTokens } from '../auth/lasting-admin.ts';
import { type PoolWant, poolWants } from '../limits/require-pools.ts';
import type { Schema } from '../store/schema.ts';

type Warnings = RunPlan['warnings'];

interface Waiting {
  readonly stage: string;
  readonly approvers: readonly string[];
}

/**
 * Stages that would wait for ever as this server is now: they want more slots than their pool has, or a person
 * who has no token. Nothing is asked of the database for definitions without either.
 */
export async function serverWarnings(db: Kysely<Schema>, definition: PipelineBody): Promise<Warnings> {
  const ofPools = await poolWarnings(db, [...poolWants(definition)]);
  return [...ofPools, ...(await approvalWarnings(db, [...waitingFor(definition, '')]))];
}

/** Approvals that wait without end for one of certain people. */
function* waitingFor(body: PipelineBody, prefix: string): Generator<Waiting> {
  for (const { name, approval, pipeline } of body.stages) {
    const stage = `${prefix}${name}`;
    const { approvers, timeout } = approval ?? {};
    if (approvers !== undefined && timeout === undefined) yield { stage, approvers };
    if (pipeline !== undefined) yield* waitingFor(pipeline, `${stage}/`);
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
  return wants.flatMap(({ stage, name, slots }) => {
    const there = slotsOf.get(name);
    if (there === undefined || slots <= there) return [];
    const message = `it needs ${slots} ${slots === 1 ? 'slot' : 'slots'} of the pool "${name}", which has ${there}: it waits until the pool has more (trainyard pools set ${name} --slots ${slots})`;
    return [{ path: stage, message }];
  });
}

async function approvalWarnings(db: Kysely<Schema>, waiting: readonly Waiting[]): Promise<Warnings> {
  // Without tokens everybody decides, or only the administrator is there.
  if (waiting.length === 0 || !(await hasUserTokens({ kysely: db }))) return [];
  const { rows: tokens } = await sql<{ name: string; scopes: string[] }>`
    select distinct name, scopes from tokens
    where revoked_at is null and (expires_at is null or expires_at > now())
      and scopes && array['user', 'admin']`.execute(db);
  return waiting.flatMap(({ stage, approvers }) => {
    if (tokens.some((token) => isAmong(approvers, token))) return [];
    const message = `none of its approvers (${approvers.join(', ')}) is the name of a token that may decide, and it has no timeout: it waits until there is one, or an administrator decides`;
    return [{ path: stage, message }];
  });
}
