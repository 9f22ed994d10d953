import { isTerminalRunStatus, type Run, TrainyardError } from '@trainyard/protocol';
import type { Kysely } from 'kysely';
import { didYouMean } from '../definition/did-you-mean.ts';
import { checkStored, resolveParams } from '../definition/index.ts';
import type { Submission } from '../orchestrator/submission.ts';
import type { Database } from '../store/database.ts';
import type { Schema } from '../store/schema.ts';
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
  if (!isTerminalRunStatus(root.status)) {
    throw new TrainyardError(
      'CONFLICT',
      `Run ${id} is ${root.status}. Only a run that has ended can be run again; wait for its end or cancel it.`,
    );
  }
  for (const path of stages) checkStage(runs, path);
  const request: RerunRequest = { all, stages };
  const isPlain = !all && stages.length === 0 && Object.keys(params).length === 0;
  if (isPlain && hasNothingLeft(runs)) {
    throw new TrainyardError(
      'CONFLICT',
      `All stages of run ${id} had ended well; nothing is left to run again. Name a stage to run it again with what depends on it, or ask for all.`,
    );
  }
  const checked = checkStored(row);
  if (!checked.ok) {
    const message = `The definition of run ${id} is not valid any more: ${checked.faults[0]!.message}`;
    throw new TrainyardError('INVALID_DEFINITION', message, { details: { faults: checked.faults } });
  }
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

async function readTreeRow(db: Kysely<Schema>, id: string) {
  const row = await db
    .selectFrom('trees')
    .innerJoin('definitions', 'definitions.sha256', 'trees.definition_sha256')
    .select([
      'definitions.source',
      'definitions.written',
      'definitions.uses',
      'trees.base_dir',
      'trees.file_name',
      'trees.pipeline_name',
      'trees.pipeline_version',
      'trees.only_stages',
    ])
    .where('trees.root_id', '=', id)
    .executeTakeFirst();
  if (row !== undefined) return row;
  const stage = await db
    .selectFrom('runs')
    .select(['root_id', 'path'])
    .where('id', '=', id)
    .executeTakeFirst();
  if (stage === undefined) throw new TrainyardError('NOT_FOUND', `There is no run ${id}.`);
  throw new TrainyardError(
    'INVALID_REQUEST',
    `Run ${id} is the stage "${stage.path}" of run ${stage.root_id}. Run that one again and name the stage.`,
  );
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
