import type { CacheBasis, PipelineDefinition } from '@trainyard/protocol';
import type { Kysely } from 'kysely';
import type { Schema } from '../store/schema.ts';
import { type AskedOfStages, stagesOfChangedDefinition } from './changed-definition.ts';
import { stagesOfChangedParams } from './changed-params.ts';
import { readTreeRow, storedDefinition } from './earlier-tree.ts';
import { type KeptResults, readKeptResults } from './kept-results.ts';
import type { ChangedStages, RerunRequest } from './kept-stages.ts';

/** That a run does an earlier one again; stored with its tree. */
export interface RerunOf {
  readonly rootId: string;
  readonly request: RerunRequest;
}

/** A re-run with what it keeps. */
export interface Rerun extends RerunOf {
  readonly results: KeptResults;
}

/**
 * Finds out what a re-run keeps, when it is submitted and again after each take-over. The earlier tree has ended
 * and never changes, so the answer stays the same. With `isExplained` it is known, too, why others are not kept.
 */
export async function readRerun(
  db: Kysely<Schema>,
  rerunOf: RerunOf | undefined | null,
  now: {
    readonly definition: PipelineDefinition;
    readonly params: Record<string, unknown>;
    readonly baseDir: string | null;
    readonly cacheBasis?: CacheBasis | undefined | null;
  },
  isExplained = false,
): Promise<Rerun | null> {
  if (rerunOf === undefined || rerunOf === null) return null;
  const { rootId, request } = rerunOf;
  const changesSince = (earlierParams: Readonly<Record<string, unknown>>) =>
    request.isMended === true
      ? changesOfMended(db, rootId, earlierParams, { ...now, cacheBasis: now.cacheBasis ?? null })
      : stagesOfChangedParams(now.definition, earlierParams, now.params);
  const results = await readKeptResults(db, rootId, request, changesSince, isExplained);
  return { rootId, request, results };
}

async function changesOfMended(
  db: Kysely<Schema>,
  rootId: string,
  params: Readonly<Record<string, unknown>>,
  now: AskedOfStages,
): Promise<ChangedStages> {
  const row = await readTreeRow(db, rootId);
  const { definition } = storedDefinition(rootId, row);
  return stagesOfChangedDefinition(
    { definition, params, baseDir: row.base_dir, cacheBasis: row.cache_basis },
    now,
  );
}
