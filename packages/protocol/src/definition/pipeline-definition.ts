import { z } from 'zod';
import { approval } from './approval.ts';
import { cache, onlySomeAreCached } from './cache.ts';
import { cleanupCheckpoints } from './cleanup-checkpoints.ts';
import { concurrency, poolUses } from './concurrency.ts';
import { diagnosis } from './diagnosis.ts';
import { earlyStopping, selectBest } from './early-stopping.ts';
import { failurePatterns } from './failure-patterns.ts';
import { foreach } from './foreach.ts';
import { HOOK_NAMES } from './hooks.ts';
import { http } from './http.ts';
import { job, retry } from './job.ts';
import { DEFINITION_LIMITS } from './limits.ts';
import { paramSpecs } from './param-spec.ts';
import { preprocessDataset } from './preprocess-dataset.ts';
import { stageFunction } from './stage-function.ts';
import { STAGE_KINDS, type StageKind } from './stage-kinds.ts';
import { runEvaluation, trainModel } from './training-stages.ts';
import { type UsedBody, usedBody } from './used-body.ts';
import { duration, jsonValue, name, soleExpression } from './values.ts';

/** How the dependencies of a stage must have ended for it to run. */
export const TRIGGER_RULES = [
  'all_success',
  'all_done',
  'one_success',
  'one_failed',
  'none_failed',
  'none_failed_min_one_success',
  'all_failed',
  'always',
] as const;

const condition = z.union([
  z.boolean(),
  soleExpression('a condition is true, false or one expression: ${{ … }}'),
]);

const stageBase = {
  name,
  dependsOn: z.array(z.string()).max(DEFINITION_LIMITS.maxStages).default([]),
  triggerRule: z.enum(TRIGGER_RULES).default('all_success'),
  when: condition.optional(),
  foreach: foreach.optional(),
  params: z.record(z.string().max(DEFINITION_LIMITS.maxNameLength), jsonValue).default({}),
  retry: retry.optional(),
  timeout: duration.optional(),
  /** How long an attempt may wait for an agent. */
  queueTimeout: duration.refine((ms) => ms > 0, 'a "queueTimeout" is more than 0').optional(),
  /** That of the stage's kind, unless set (`stagePriority`). */
  priority: z.int().min(-1000).max(1000).optional(),
  hook: z.enum(HOOK_NAMES).optional(),
  pools: poolUses.optional(),
  concurrency: concurrency.optional(),
  cache: cache.optional(),
  diagnosis: diagnosis.optional(),
  failures: failurePatterns.optional(),
  earlyStopping: earlyStopping.optional(),
};

/** One key per stage kind; a stage has exactly one of them. */
const kindFields = {
  job: job.optional(),
  http: http.optional(),
  function: stageFunction.optional(),
  approval: approval.optional(),
  train_model: trainModel.optional(),
  run_evaluation: runEvaluation.optional(),
  preprocess_dataset: preprocessDataset.optional(),
  cleanup_checkpoints: cleanupCheckpoints.optional(),
  select_best: selectBest.optional(),
} satisfies Record<Exclude<StageKind, 'pipeline'>, z.ZodType>;

export interface StageDefinition
  extends z.infer<z.ZodObject<typeof stageBase>>,
    z.infer<z.ZodObject<typeof kindFields>> {
  readonly pipeline?: PipelineBody | undefined;
}

const pipelineBase = {
  maxParallel: z.int().min(1).max(DEFINITION_LIMITS.maxParallel).default(4),
  failPolicy: z.enum(['skip_dependents', 'fail_fast']).default('skip_dependents'),
  /** Under `fail_fast`: whether stages that run when one fails may finish or are cancelled. */
  onSiblings: z.enum(['finish', 'cancel']).default('finish'),
  deadline: duration.optional(),
  /** What is looked for in the metrics of all stages inside, unless they say otherwise. */
  diagnosis: diagnosis.optional(),
  failures: failurePatterns.optional(),
};

export interface PipelineBody extends z.infer<z.ZodObject<typeof pipelineBase>> {
  readonly stages: readonly StageDefinition[];
  readonly used?: UsedBody | undefined;
}

const quoted = [...STAGE_KINDS, 'sweep'].map((kind) => `"${kind}"`);
const ONE_KIND = `a stage has exactly one of ${quoted.slice(0, -1).join(', ')} and ${quoted.at(-1)}`;

const HOOK_WAITS = 'a hook waits for all other stages of its level by itself; leave this out';

const stage: z.ZodType<StageDefinition> = z.lazy(() =>
  z
    .strictObject({ ...stageBase, ...kindFields, pipeline: pipelineBody.optional() })
    .check((context) => {
      const { hook, dependsOn, triggerRule } = context.value;
      if (hook === undefined) return;
      const fault = (key: string, message: string) =>
        context.issues.push({ code: 'custom', input: context.value, path: [key], message });
      if (dependsOn.length > 0) fault('dependsOn', HOOK_WAITS);
      if (triggerRule !== 'all_success') fault('triggerRule', HOOK_WAITS);
    })
    .refine((value) => STAGE_KINDS.filter((kind) => value[kind] !== undefined).length === 1, {
      message: ONE_KIND,
    })
    .check(onlyAgentsTakeLimits)
    .check(onlySomeAreCached)
    .check(asksOnce)
    .check(comparesItems),
);

function asksOnce(context: z.core.ParsePayload<StageDefinition>): void {
  const { approval: asked, retry: again, timeout } = context.value;
  if (asked === undefined) return;
  const fault = (key: string, message: string) =>
    context.issues.push({ code: 'custom', input: context.value, path: [key], message });
  if (again !== undefined) fault('retry', 'a person is not asked again; leave "retry" out');
  if (timeout !== undefined) fault('timeout', 'put the "timeout" of an approval into "approval"');
}

/** Only runs that are alike can be compared, and only by what their programs record. */
function comparesItems({ value, issues }: z.core.ParsePayload<StageDefinition>): void {
  if (value.earlyStopping === undefined) return;
  const fault = (message: string) =>
    issues.push({ code: 'custom', input: value, path: ['earlyStopping'], message });
  if (value.foreach === undefined)
    fault('"earlyStopping" compares the items of a "foreach", and there is none');
  const kind = STAGE_KINDS.find((each) => value[each] !== undefined);
  if (kind !== undefined && WITHOUT_AGENT.has(kind))
    fault(`"earlyStopping" is for programs, not for a stage with "${kind}"`);
}

/** Stages that no agent runs: what they would hold of pools and groups they would hold in vain. */
const WITHOUT_AGENT: ReadonlySet<string> = new Set(['pipeline', 'approval', 'select_best']);
const ONLY_OF_AGENTS = ['pools', 'concurrency', 'diagnosis', 'failures', 'queueTimeout'] as const;

function onlyAgentsTakeLimits({ value, issues }: z.core.ParsePayload<StageDefinition>): void {
  const kind = STAGE_KINDS.find((each) => value[each] !== undefined);
  if (kind === undefined || !WITHOUT_AGENT.has(kind)) return;
  for (const key of ONLY_OF_AGENTS) {
    if (value[key] === undefined) continue;
    const inside = key === 'diagnosis' || key === 'failures' ? 'into the pipeline' : 'on the stages inside';
    const where = kind === 'pipeline' ? `; put it ${inside}` : '';
    const message = `"${key}" is only for stages that an agent runs, not for a stage with "${kind}"${where}`;
    issues.push({ code: 'custom', input: value, path: [key], message, continue: true });
  }
}

const stages = z.array(stage).min(1, 'a pipeline needs at least one stage');

const pipelineBody = z.strictObject({ ...pipelineBase, stages, used: usedBody.optional() });

/**
 * A pipeline definition (docs/guides/pipelines.md). Durations come out as milliseconds and defaults are
 * filled in. Cross-references, cycles, depth and counts are judged by `dag`, not here.
 */
export const pipelineDefinition = z.strictObject({
  name,
  /** Where its jobs are tracked; default: the experiment of its name. */
  experiment: z.string().trim().min(1).max(DEFINITION_LIMITS.maxExperimentName).optional(),
  description: z.string().max(10_000).optional(),
  params: paramSpecs,
  concurrency: concurrency.optional(),
  ...pipelineBase,
  stages,
});
export type PipelineDefinition = z.infer<typeof pipelineDefinition>;

/** One fault of a definition. `line` and `column` start at 1 and are there when the source was text. */
export const definitionFault = z.object({
  code: z.string(),
  message: z.string(),
  /** Keys and indices from the document's root, for example ["stages", 2, "dependsOn", 0]. */
  path: z.array(z.union([z.string(), z.number()])),
  line: z.number().optional(),
  column: z.number().optional(),
});
export type DefinitionFault = z.infer<typeof definitionFault>;
