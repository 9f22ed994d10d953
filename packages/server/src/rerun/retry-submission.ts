import { type Run, TrainyardError } from '@trainyard/protocol';
import { didYouMean } from '../definition/did-you-mean.ts';
import { resolveParams } from '../definition/index.ts';
import type { Submission } from '../orchestrator/submission.ts';
import type { Database } from '../store/database.ts';
import { readTreeRow, requireEnded, storedDefinition } from './earlier-tree.ts';
import { readEarlierRuns } from './kept-results.ts';
import { hasNothingLeft, type RerunRequest } from './kept-stages.ts';

export interface RetryRequest {
  readonly stages?: readonly string[] | undefined;
  readonly all: boolean;
  readonly params: Readonly<Record<string, unknown>>;
  readonly noCache: boolean;
  readonly idempotencyKey: string | null;
}

/**
 * The run that does an earlier one again: exactly its definition, its params where none are given anew, its
 * directory. The earlier run stays as it is.
 * @throws TrainyardError NOT_FOUND, CONFLICT while it goes on or when nothing is left, INVALID_REQUEST for a
 * stage that it does not have, INVALID_PARAMS
 */
export async function retrySubmission(
  { kysely }: Database,
  id: string,
  { stages = [], all, params, noCache, idempotencyKey }: RetryRequest,
): Promise<Submission> {
  const row = await readTreeRow(kysely, id);
  const runs = await readEarlierRuns(kysely, id);
  const root = runs[0]!;
  requireEnded(root);
  for (const path of stages) checkStage(runs, path);
  const request: RerunRequest = { all, stages };
  const isPlain = !all && stages.length === 0 && Object.keys(params).length === 0;
  if (isPlain && hasNothingLeft(runs)) {
    throw new TrainyardError(
      'CONFLICT',
      `All stages of run ${id} had ended well; nothing is left to run again. Name a stage to run it again with what depends on it, or ask for all.`,
    );
  }
  const checked = storedDefinition(id, row);
  return {
    definition: checked.definition,
    plan: checked.plan,
    source: row.source,
    written: row.written ?? undefined,
    uses: row.uses ?? [],
    params: paramsAnew(checked.definition, root.params, params),
    baseDir: row.base_dir,
    fileName: row.file_name,
    idempotencyKey,
    pipeline:
      row.pipeline_name === null || row.pipeline_version === null
        ? undefined
        : { name: row.pipeline_name, version: row.pipeline_version },
    rerunOf: { rootId: id, request },
    only: row.only_stages ?? undefined,
    noCache,
    asked: ['retry', id, request, params, noCache],
  };
}

function checkStage(runs: readonly Run[], path: string): void {
  const found = runs.find((run) => run.path === path && path !== '');
  if (found === undefined) {
    const paths = runs.slice(1).map((run) => run.path);
    const hint = didYouMean(path, paths);
    throw new TrainyardError('INVALID_REQUEST', `Run ${runs[0]!.id} has no stage "${path}"${hint}`);
  }
  if (found.reason !== 'not_selected') return;
  throw new TrainyardError(
    'INVALID_REQUEST',
    `Run ${found.rootId} was limited to other stages than "${path}", and so is its re-run. Start a new run instead.`,
  );
}

/** The values of before are taken as they are: reading them again could make others of them. */
function paramsAnew(
  definition: Submission['definition'],
  before: Readonly<Record<string, unknown>>,
  given: Readonly<Record<string, unknown>>,
): Record<string, unknown> {
  const all = resolveParams(definition, { ...before, ...given });
  return { ...all, ...before, ...Object.fromEntries(Object.keys(given).map((name) => [name, all[name]])) };
}
