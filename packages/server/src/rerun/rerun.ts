import type { PipelineDefinition } from '@trainyard/protocol';
import type { Kysely } from 'kysely';
import type { Schema } from '../store/schema.ts';
import { stagesOfChangedParams } from './changed-params.ts';
import { type KeptResults, readKeptResults } from './kept-results.ts';
import type { RerunRequest } from './kept-stages.ts';

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
 * and never changes, so the answer stays the same.
 */
export async function readRerun(
  db: Kysely<Schema>,
  rerunOf: RerunOf | undefined | null,
  {
    definition,
    params,
  }: { readonly definition: PipelineDefinition; readonly params: Record<string, unknown> },
): Promise<Rerun | null> {
  if (rerunOf === undefined || rerunOf === null) return null;
  const { rootId, request } = rerunOf;
  const results = await readKeptResults(db, rootId, request, (earlierParams) =>
    stagesOfChangedParams(definition, earlierParams, params),
  );
  return { rootId, request, results };
}
