import { type AttemptSpec, type JobDefinition, type JsonValue, TrainyardError } from '@trainyard/protocol';
import { type ExpressionScope, resolveExpressions, resolveJob } from '../definition/expressions.ts';
import type { OwnedTree } from './owned-tree.ts';
import type { NewAttempt } from './tree-changes.ts';

/** Outputs of a nested pipeline larger than this are not stored as one value; its stages keep theirs. */
const MAX_GROUP_OUTPUT_BYTES = 4 * 1024 * 1024;

type Params = Record<string, JsonValue>;

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
  const stage = tree.stages[node];
  const job = stage?.job;
  if (stage === null || stage === undefined || job === undefined) {
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

/**
 * Whether a stage's `when` lets it run, judged with the outputs of the stages it depends on.
 * @throws TrainyardError INVALID_PARAMS when the expression has no value, or none that is true or false
 */
export function stageCondition(tree: OwnedTree, node: number): boolean {
  const when = tree.stages[node]?.when ?? true;
  if (typeof when === 'boolean') return when;
  const value = resolveExpressions(when.trim(), scopeOf(tree, node, paramsOf(tree, node), when));
  if (typeof value === 'boolean') return value;
  throw new TrainyardError(
    'INVALID_PARAMS',
    `The condition ${when.trim()} of stage "${tree.runs[node]!.path}" is ${JSON.stringify(value)}, not true or false.`,
  );
}

/** Outputs of a pipeline: those of its stages by name, left out where a stage has none. */
export function groupOutputs(tree: OwnedTree, node: number): Params | null {
  const outputs: Params = {};
  for (const child of tree.plan.nodes[node]!.children) {
    const run = tree.runs[child]!;
    if (run.outputs !== null) outputs[run.name] = run.outputs as JsonValue;
  }
  if (Object.keys(outputs).length === 0) return null;
  return JSON.stringify(outputs).length > MAX_GROUP_OUTPUT_BYTES ? null : outputs;
}

/** Params of a stage: those of the pipelines around it, the inner ones first, then its own. */
function paramsOf(tree: OwnedTree, node: number): Params {
  const path: number[] = [];
  for (let at = node; at > 0; at = tree.plan.nodes[at]!.parent) path.push(at);
  let params = tree.runs[0]!.params as Params;
  for (const at of path.reverse()) {
    const own = tree.stages[at]!.params;
    if (Object.keys(own).length === 0) continue;
    const scope = scopeOf(tree, at, params, JSON.stringify(own));
    params = { ...params, ...(resolveExpressions(own, scope) as Params) };
  }
  return params;
}

/**
 * The names an expression may use. Only stages that the text mentions are put in, so a stage of a very
 * wide pipeline does not pay for its siblings; the nearest level wins where names repeat.
 */
function scopeOf(tree: OwnedTree, node: number, params: Params, text: string): ExpressionScope {
  const stages: Record<string, { status: string; outputs: JsonValue }> = {};
  const root = tree.runs[0]!;
  if (text.includes('${{') && text.includes('stages')) {
    for (let at = tree.plan.nodes[node]!.parent; at >= 0; at = tree.plan.nodes[at]!.parent) {
      for (const sibling of tree.plan.nodes[at]!.children) {
        const run = tree.runs[sibling]!;
        if (Object.hasOwn(stages, run.name) || !text.includes(run.name)) continue;
        const isGroup = tree.plan.nodes[sibling]!.isGroup;
        stages[run.name] = {
          status: run.status,
          outputs: (isGroup ? groupOutputs(tree, sibling) : (run.outputs as JsonValue)) ?? {},
        };
      }
    }
  }
  return { params, paramSpecs: tree.definition.params, stages, run: { id: root.id, name: root.name } };
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
