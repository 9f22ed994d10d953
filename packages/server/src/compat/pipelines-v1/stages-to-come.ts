import { type JsonValue, type olderStageToCome, olderTask, type PipelineBody } from '@trainyard/protocol';
import type { z } from 'zod';
import { stagesByPath, writtenStages } from '../run-details.ts';

/** The stages of a pipeline that was not started yet. */
export function stagesToCome(
  pipelineUuid: string,
  definition: PipelineBody,
  document: JsonValue,
): z.infer<typeof olderStageToCome>[] {
  const written = writtenStages(document);
  return [...stagesByPath(definition)].map(([path, stage], index) => ({
    task_id: null,
    pipeline_run_id: null,
    pipeline_uuid: pipelineUuid,
    worker_task_id: null,
    ...olderTask({ stage, written: written.get(path) }),
    stage_name: path,
    stage_order: index + 1,
    depends_on: stage.dependsOn,
    status: 'pending',
    result: null,
    error_message: null,
    retry_count: 0,
    started_at: null,
    completed_at: null,
  }));
}
