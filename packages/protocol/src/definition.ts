import { z } from 'zod';
import { parseDurationMs } from './duration.ts';

/** Limits of a pipeline file. Each is named in the message that refuses a file. */
export const DEFINITION_LIMITS = {
  /** Bytes of a pipeline file or of a definition sent to the API. */
  maxBytes: 8 * 1024 * 1024,
  /** Stages of a whole definition, nested ones included. */
  maxStages: 50_000,
  /** Levels of pipelines, the outermost included. */
  maxDepth: 10,
  maxNameLength: 100,
  maxParallel: 10_000,
} as const;

const duration = z.union([z.string(), z.number()]).transform((value, context) => {
  const ms = parseDurationMs(value);
  if (ms !== undefined) return ms;
  context.issues.push({
    code: 'custom',
    input: value,
    message: `"${value}" is not a duration; write for example 90s, 15m, 2h or 1h30m (at most 366 days)`,
  });
  return z.NEVER;
});

const name = z
  .string()
  .min(1)
  .max(DEFINITION_LIMITS.maxNameLength)
  .regex(
    /^[A-Za-z0-9_][A-Za-z0-9_.-]*$/,
    'a name has letters, digits, "_", "-" and ".", and starts with none of the last two',
  );

const jsonValue: z.ZodType<JsonValue> = z.json();
export type JsonValue = string | number | boolean | null | JsonValue[] | { [key: string]: JsonValue };

const paramSpec = z.strictObject({
  type: z.enum(['string', 'integer', 'number', 'boolean', 'json']),
  default: jsonValue.optional(),
  description: z.string().max(2000).optional(),
});
export type ParamSpec = z.infer<typeof paramSpec>;

const command = z.union([
  z.string().min(1).max(100_000),
  z
    .array(z.union([z.string().max(100_000), z.number().transform(String)]))
    .min(1)
    .max(1000),
]);

const job = z.strictObject({
  command,
  workingDir: z.string().min(1).max(4096).default('.'),
  env: z
    .record(
      z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*$/, 'not a name of an environment variable'),
      z.union([z.string(), z.number().transform(String), z.boolean().transform(String)]),
    )
    .default({}),
  queue: name.default('default'),
  resources: z.strictObject({ gpus: z.int().min(0).max(64).default(0) }).default({ gpus: 0 }),
  executor: z.literal('local').default('local'),
  /** Time from the first polite signal to KILL. */
  grace: duration.default(10_000),
});
export type JobDefinition = z.infer<typeof job>;

const retry = z.strictObject({
  attempts: z.int().min(1).max(100),
  backoff: duration.default(1000),
  factor: z.number().min(1).max(100).default(2),
  maxBackoff: duration.default(600_000),
  /** Shortens each wait by up to this part of it, so that many do not try again at the same moment. */
  jitter: z.number().min(0).max(1).default(0),
  /** What is tried again: `failed`, `timed_out`, `lost`, or codes of errors such as `exit_code`. */
  retryOn: z.array(z.string().min(1).max(100)).min(1).max(100).default(['failed']),
});

/** How the dependencies of a stage must have ended for it to run. */
export const TRIGGER_RULES = [
  'all_success',
  'all_done',
  'one_success',
  'one_failed',
  'none_failed',
  'all_failed',
  'always',
] as const;

const condition = z.union([
  z.boolean(),
  z
    .string()
    .max(10_000)
    .regex(/^\s*\$\{\{[\s\S]*\}\}\s*$/, 'a condition is true, false or one expression: ${{ … }}'),
]);

const stageBase = {
  name,
  dependsOn: z.array(z.string()).max(DEFINITION_LIMITS.maxStages).default([]),
  triggerRule: z.enum(TRIGGER_RULES).default('all_success'),
  when: condition.optional(),
  params: z.record(z.string().max(DEFINITION_LIMITS.maxNameLength), jsonValue).default({}),
  retry: retry.optional(),
  timeout: duration.optional(),
  priority: z.int().min(-1000).max(1000).default(0),
};

export interface StageDefinition extends z.infer<z.ZodObject<typeof stageBase>> {
  readonly job?: JobDefinition | undefined;
  readonly pipeline?: PipelineBody | undefined;
}

const pipelineBase = {
  maxParallel: z.int().min(1).max(DEFINITION_LIMITS.maxParallel).default(4),
  failPolicy: z.enum(['skip_dependents', 'fail_fast']).default('skip_dependents'),
  /** Under `fail_fast`: whether stages that run when one fails may finish or are cancelled. */
  onSiblings: z.enum(['finish', 'cancel']).default('finish'),
  deadline: duration.optional(),
};

export interface PipelineBody extends z.infer<z.ZodObject<typeof pipelineBase>> {
  readonly stages: readonly StageDefinition[];
}

const stage: z.ZodType<StageDefinition> = z.lazy(() =>
  z
    .strictObject({ ...stageBase, job: job.optional(), pipeline: pipelineBody.optional() })
    .refine((value) => (value.job === undefined) !== (value.pipeline === undefined), {
      message: 'a stage has exactly one of "job" and "pipeline"',
    }),
);

const stages = z.array(stage).min(1, 'a pipeline needs at least one stage');

const pipelineBody = z.strictObject({ ...pipelineBase, stages });

/**
 * A pipeline definition (docs/guides/pipelines.md). Durations come out as milliseconds and defaults are
 * filled in. Cross-references, cycles, depth and counts are judged by `dag`, not here.
 */
export const pipelineDefinition = z.strictObject({
  name,
  description: z.string().max(10_000).optional(),
  params: z
    .record(z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*$/, 'not a name of a parameter'), paramSpec)
    .default({}),
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
