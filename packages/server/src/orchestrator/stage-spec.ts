import { type AttemptSpec, type JobDefinition, TrainyardError } from '@trainyard/protocol';
import { resolveJob } from '../definition/expressions.ts';
import { type OwnedTree, stageAt } from './owned-tree.ts';
import { type Params, paramsOf, scopeOf } from './stage-scope.ts';
import type { NewAttempt } from './tree-changes.ts';

type StageSpec =
  | {
      readonly ok: true;
      readonly params: Record<string, unknown>;
      readonly attempt: Omit<NewAttempt, 'node' | 'number'>;
    }
  | { readonly ok: false; readonly message: string };

/**
 * What an agent is asked to run for a job stage: its definition with every `${{ … }}` resolved against the
 * params around it and the outputs of the stages it can see.
 */
export function stageSpec(tree: OwnedTree, node: number, attempt: number): StageSpec {
  const stage = stageAt(tree, node);
  const job = stage?.job;
  if (stage === null || job === undefined) {
    return { ok: false, message: `Stage "${tree.runs[node]!.path}" has no job.` };
  }
  try {
    const params = paramsOf(tree, node);
    const resolved = resolveJob(job, scopeOf(tree, node, params, expressionText(job)));
    return {
      ok: true,
      params,
      attempt: {
        queue: job.queue,
        priority: stage.priority,
        gpus: job.resources.gpus,
        spec: toAttemptSpec(tree, node, attempt, { job: resolved, params }),
      },
    };
  } catch (error) {
    if (!(error instanceof TrainyardError)) throw error;
    return { ok: false, message: error.message };
  }
}

function expressionText(job: JobDefinition): string {
  return JSON.stringify([job.command, job.workingDir, job.env]);
}

function toAttemptSpec(
  tree: OwnedTree,
  node: number,
  attempt: number,
  parts: { readonly job: JobDefinition; readonly params: Params },
): AttemptSpec {
  const run = tree.runs[node]!;
  return {
    // The attempt's id is made with its row.
    attemptId: '',
    runId: run.id,
    rootId: tree.rootId,
    stage: run.path,
    number: attempt,
    epoch: attempt,
    executor: parts.job.executor,
    command: parts.job.command,
    workingDir: joinPath(tree.baseDir, parts.job.workingDir),
    env: parts.job.env,
    params: parts.params,
    gpus: parts.job.resources.gpus,
    graceMs: parts.job.grace,
  };
}

/** `workingDir` is relative to the pipeline's file; both are paths of the machine that runs the job. */
function joinPath(baseDir: string | null, workingDir: string): string {
  if (workingDir.startsWith('/') || baseDir === null) return workingDir;
  const base = baseDir.replace(/\/+$/, '');
  return workingDir === '.' ? base || '/' : `${base}/${workingDir.replace(/^\.\//, '')}`;
}
