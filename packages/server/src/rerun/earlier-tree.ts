import { isTerminalRunStatus, type Run, TrainyardError } from '@trainyard/protocol';
import type { Kysely } from 'kysely';
import { type CheckedDefinition, checkStored } from '../definition/index.ts';
import type { Schema } from '../store/schema.ts';
import { refuseExternal } from '../tracking/external-run.ts';
import type { RerunOf } from './rerun.ts';

/** The tree of a root run with its definition. @throws TrainyardError NOT_FOUND, INVALID_REQUEST for a stage */
export async function readTreeRow(db: Kysely<Schema>, id: string) {
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
      'trees.cache_basis',
    ])
    .where('trees.root_id', '=', id)
    .executeTakeFirst();
  if (row !== undefined) return row;
  const stage = await db
    .selectFrom('runs')
    .select(['id', 'root_id', 'path', 'kind'])
    .where('id', '=', id)
    .executeTakeFirst();
  if (stage === undefined) throw new TrainyardError('NOT_FOUND', `There is no run ${id}.`);
  refuseExternal(stage, 'run again');
  throw new TrainyardError(
    'INVALID_REQUEST',
    `Run ${id} is the stage "${stage.path}" of run ${stage.root_id}. Run that one again and name the stage.`,
  );
}

/** @throws TrainyardError CONFLICT */
export function requireEnded({ id, status }: Pick<Run, 'id' | 'status'>): void {
  if (isTerminalRunStatus(status)) return;
  throw new TrainyardError(
    'CONFLICT',
    `Run ${id} is ${status}. Only a run that has ended can be run again; wait for its end or cancel it.`,
  );
}

/** @throws TrainyardError INVALID_DEFINITION when this version of the server reads it otherwise */
export function storedDefinition(
  id: string,
  row: { readonly source: string; readonly written: string | null },
): Extract<CheckedDefinition, { ok: true }> {
  const checked = checkStored(row);
  if (checked.ok) return checked;
  const message = `The definition of run ${id} is not valid any more: ${checked.faults[0]!.message}`;
  throw new TrainyardError('INVALID_DEFINITION', message, { details: { faults: checked.faults } });
}

/**
 * What a run with a mended definition takes over from an earlier one.
 * @throws TrainyardError NOT_FOUND, INVALID_REQUEST for a stage, CONFLICT while it goes on
 */
export async function resumeFrom(db: Kysely<Schema>, id: string): Promise<RerunOf> {
  await readTreeRow(db, id);
  const root = await db
    .selectFrom('runs')
    .select(['id', 'status'])
    .where('id', '=', id)
    .executeTakeFirstOrThrow();
  requireEnded(root);
  return { rootId: id, request: { all: false, stages: [], isMended: true } };
}
