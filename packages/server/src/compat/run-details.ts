import type { JsonValue, PipelineBody, Run, RunDetails, StageDefinition } from '@trainyard/protocol';
import { type Kysely, sql } from 'kysely';
import { isJsonObject } from '../definition/json-object.ts';
import type { Schema } from '../store/schema.ts';

/** What older answers tell of runs beside their rows: from the newest attempt, the definition and the pipeline. */
export async function readRunDetails(
  db: Kysely<Schema>,
  runs: readonly Run[],
): Promise<(run: Run) => RunDetails> {
  const { rows: attempts } = await sql<{ run_id: string; id: string; exit_code: number | null }>`
    select distinct on (run_id) run_id, id, exit_code from attempts
    where run_id = any(${runs.map(({ id }) => id)}::text[]) order by run_id, number desc`.execute(db);
  const { rows: trees } = await sql<{
    root_id: string;
    definition: PipelineBody;
    uuid: string | null;
    document: JsonValue;
  }>`
    select t.root_id, d.definition, p.id as uuid, p.document
    from trees t join definitions d on d.sha256 = t.definition_sha256
    left join pipeline_drafts p on p.root_id = t.root_id
    where t.root_id = any(${[...new Set(runs.map(({ rootId }) => rootId))]}::text[])`.execute(db);
  const attemptOf = new Map(attempts.map((row) => [row.run_id, row]));
  const treeOf = new Map(
    trees.map(({ root_id, definition, uuid, document }) => [
      root_id,
      { stages: stagesByPath(definition), uuid, written: writtenStages(document) },
    ]),
  );
  return ({ id, rootId, path }) => {
    const attempt = attemptOf.get(id);
    const tree = treeOf.get(rootId);
    // An item of a foreach is of the stage that has the list.
    const place = path.replaceAll(/\[\d+\]/g, '');
    return {
      attemptId: attempt?.id ?? null,
      exitCode: attempt?.exit_code ?? null,
      pipelineUuid: tree?.uuid ?? null,
      stage: tree?.stages.get(place),
      written: tree?.written.get(place),
    };
  };
}

export function stagesByPath(body: PipelineBody, prefix = ''): Map<string, StageDefinition> {
  const found = new Map<string, StageDefinition>();
  for (const stage of body.stages) {
    found.set(`${prefix}${stage.name}`, stage);
    if (stage.pipeline === undefined) continue;
    for (const [path, inner] of stagesByPath(stage.pipeline, `${prefix}${stage.name}/`))
      found.set(path, inner);
  }
  return found;
}

/** Stages of an older stage list as they were sent. */
export function writtenStages(document: JsonValue): Map<string, Record<string, unknown>> {
  const list = isJsonObject(document) && Array.isArray(document['stages']) ? document['stages'] : [];
  return new Map(list.filter((each) => isJsonObject(each)).map((stage) => [String(stage['name']), stage]));
}
