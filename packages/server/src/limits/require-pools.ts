import { type PipelineBody, TrainyardError } from '@trainyard/protocol';
import type { Kysely } from 'kysely';
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
  collect(definition, '', stageByPool);
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

/** The first stage that needs each pool whose name is written out. */
function collect(body: PipelineBody, prefix: string, stageByPool: Map<string, string>): void {
  for (const stage of body.stages) {
    const path = `${prefix}${stage.name}`;
    for (const use of stage.pools ?? []) {
      const { name } = poolUse(use);
      if (!name.includes('${{') && !stageByPool.has(name)) stageByPool.set(name, path);
    }
    if (stage.pipeline !== undefined) collect(stage.pipeline, `${path}/`, stageByPool);
  }
}
