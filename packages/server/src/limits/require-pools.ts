import { type PipelineBody, TrainyardError } from '@trainyard/protocol';
import type { Kysely } from 'kysely';
import { mayHoldExpressions } from '../definition/expression-text.ts';
import { createPoolStore } from '../store/pools.ts';
import type { Schema } from '../store/schema.ts';
import { poolUse } from './resolve-limits.ts';

/** Missing pools that the message names; all are in its details. */
const NAMED = 5;

/**
 * Refuses a definition that names pools which do not exist. Names that are expressions are not known before
 * their stage is ready; such a stage waits until its pool exists.
 * @throws TrainyardError UNKNOWN_POOL
 */
export async function requirePools(db: Kysely<Schema>, definition: PipelineBody): Promise<void> {
  const stageByPool = new Map<string, string>();
  for (const { stage, name } of poolWants(definition)) {
    if (!stageByPool.has(name)) stageByPool.set(name, stage);
  }
  const missing = (await createPoolStore(db).missing([...stageByPool.keys()])).sort();
  if (missing.length === 0) return;
  const details = missing.map((pool) => ({ pool, stage: stageByPool.get(pool)! }));
  const named = details
    .slice(0, NAMED)
    .map(({ pool, stage }) => `stage "${stage}" needs the pool "${pool}"`)
    .join(', ');
  const more = details.length > NAMED ? ` and ${details.length - NAMED} more` : '';
  throw new TrainyardError(
    'UNKNOWN_POOL',
    `There is no such pool: ${named}${more}. Make it first: trainyard pools set ${missing[0]} --slots N`,
    { details },
  );
}

/** What a stage needs of a pool whose name is written out. */
export interface PoolWant {
  /** Names from the outermost level in, with slashes. */
  readonly stage: string;
  readonly name: string;
  readonly slots: number;
}

export function* poolWants(body: PipelineBody, prefix = ''): Generator<PoolWant> {
  for (const { name: own, pools = [], pipeline } of body.stages) {
    const stage = `${prefix}${own}`;
    for (const use of pools) {
      const { name, slots } = poolUse(use);
      if (!mayHoldExpressions(name)) yield { stage, name, slots };
    }
    if (pipeline !== undefined) yield* poolWants(pipeline, `${stage}/`);
  }
}
