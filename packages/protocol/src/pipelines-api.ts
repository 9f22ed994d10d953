import { z } from 'zod';
import { DEFINITION_LIMITS } from './definition/limits.ts';
import { stagePaths } from './reruns-api.ts';

const instant = z.iso.datetime();

/** Limits of registered pipelines. */
export const PIPELINE_LIMITS = {
  maxVersions: 100_000,
  maxNoteLength: 1000,
} as const;

/** A registered pipeline in one of its versions, which count from 1. */
export const pipelineVersionId = z.object({ name: z.string(), version: z.int() });
export type PipelineVersionId = z.infer<typeof pipelineVersionId>;

const versionNumber = z.coerce.number().int().min(1).max(PIPELINE_LIMITS.maxVersions);
/** A version in an address: its number, or the newest one. */
export const pipelineVersionRef = z.union([z.literal('latest'), versionNumber]);
export type PipelineVersionRef = z.infer<typeof pipelineVersionRef>;

/** Texts of files by their path below the directory of the file that uses them: nothing leads out of it. */
export const pipelineFiles = z
  .record(
    z
      .string()
      .min(1)
      .max(4096)
      .refine(
        (path) => !/^\/|\\|(^|\/)\.\.(\/|$)/.test(path),
        'must be a path below the directory of the file',
      ),
    z.string(),
  )
  .refine((files) => Object.keys(files).length <= DEFINITION_LIMITS.maxUsedDocuments, {
    message: `at most ${DEFINITION_LIMITS.maxUsedDocuments} files`,
  });

/** A pipeline that was put into a definition: one that is registered, or a file that came with the request. */
export const usedPipeline = z.object({
  /** With its version: "train-model@3", or "./train.yaml". */
  use: z.string(),
  /** Left out for a file. */
  pipeline: pipelineVersionId.optional(),
  /** SHA-256 of its text. */
  sha256: z.string(),
});
export type UsedPipeline = z.infer<typeof usedPipeline>;

export const registeredPipeline = z.object({
  name: z.string(),
  description: z.string().nullable(),
  latestVersion: z.int(),
  createdAt: instant,
  updatedAt: instant,
  /** An archived pipeline keeps its versions and runs; new runs of it are refused. */
  archivedAt: instant.nullable(),
});
export type RegisteredPipeline = z.infer<typeof registeredPipeline>;

/** A version without its text. */
export const pipelineVersionInfo = z.object({
  name: z.string(),
  version: z.int(),
  note: z.string().nullable(),
  /** SHA-256 of the text. */
  sha256: z.string(),
  baseDir: z.string().nullable(),
  fileName: z.string().nullable(),
  /** Names of the registered pipelines that it uses. */
  uses: z.array(z.string()),
  createdAt: instant,
  /** Name of the token that registered it; null on an open server. */
  createdBy: z.string().nullable(),
});
export type PipelineVersionInfo = z.infer<typeof pipelineVersionInfo>;

export const pipelineVersion = pipelineVersionInfo.extend({
  source: z.string(),
  /** With defaults filled in and durations in milliseconds. */
  definition: z.unknown(),
});
export type PipelineVersion = z.infer<typeof pipelineVersion>;

export const registerPipeline = z
  .strictObject({
    /** The pipeline file's text (YAML or JSON); its `name` is the name of the pipeline. */
    source: z.string().optional(),
    /** Or the definition as JSON. */
    definition: z.record(z.string(), z.unknown()).optional(),
    note: z.string().max(PIPELINE_LIMITS.maxNoteLength).optional(),
    /** As for a run: the directory that `workingDir` is relative to; absolute. */
    baseDir: z.string().max(4096).optional(),
    fileName: z.string().max(4096).optional(),
    /** The newest version that the caller knows, 0 for none: another one refuses the change. Also as If-Match. */
    expectedVersion: z.int().min(0).max(PIPELINE_LIMITS.maxVersions).optional(),
  })
  .refine((body) => (body.source === undefined) !== (body.definition === undefined), {
    message: 'give exactly one of "source" and "definition"',
  });
export type RegisterPipeline = z.input<typeof registerPipeline>;

/** `isNew` is false where the newest version has this content already. */
export const pipelineRegistered = pipelineVersionInfo.extend({ isNew: z.boolean() });
export type PipelineRegistered = z.infer<typeof pipelineRegistered>;

export const runPipeline = z.strictObject({
  /** The newest one by default. */
  version: z.union([z.literal('latest'), z.int().min(1).max(PIPELINE_LIMITS.maxVersions)]).default('latest'),
  params: z.record(z.string(), z.unknown()).default({}),
  /** Cached stages run all the same; what they give is used later. */
  noCache: z.boolean().optional(),
  /** Run only these stages and what they depend on. */
  only: stagePaths.optional(),
  /** Answers what the run would do, and stores nothing. */
  dryRun: z.boolean().optional(),
});
export type RunPipeline = z.input<typeof runPipeline>;

/** What a run would be now: the definition with all that it uses put in, and the values of its params. */
export const renderedPipeline = z.object({
  name: z.string(),
  version: z.int(),
  params: z.record(z.string(), z.unknown()),
  uses: z.array(usedPipeline),
  /** Can be submitted as it is: YAML or JSON. */
  source: z.string(),
  /** With defaults filled in. */
  definition: z.unknown(),
});
export type RenderedPipeline = z.infer<typeof renderedPipeline>;

export const listPipelinesQuery = z.object({
  archived: z
    .enum(['true', 'false'])
    .default('false')
    .transform((value) => value === 'true'),
  limit: z.coerce.number().int().min(1).max(500).default(50),
  cursor: z.string().max(200).optional(),
});

export const listPipelineVersionsQuery = z.object({
  limit: z.coerce.number().int().min(1).max(500).default(50),
  cursor: versionNumber.optional(),
});

export const pipelineDiffQuery = z.object({ from: pipelineVersionRef, to: pipelineVersionRef });

/** A key that differs, with what it is on either side; left out where it is not there. */
const changedKey = z.object({ key: z.string(), from: z.unknown().optional(), to: z.unknown().optional() });

/** What differs between two definitions: by stage, for people as text. */
export const pipelineDiff = z.object({
  from: z.string(),
  to: z.string(),
  isSame: z.boolean(),
  /** Keys of the pipeline itself, for example "maxParallel" or "params.epochs.default". */
  pipeline: z.array(changedKey),
  /** Paths of stages, for example "sweep/large". */
  added: z.array(z.string()),
  removed: z.array(z.string()),
  changed: z.array(z.object({ path: z.string(), keys: z.array(changedKey) })),
  /** Unified diff of the texts; null where they differ too much to be compared line by line. */
  text: z.string().nullable(),
});
export type PipelineDiff = z.infer<typeof pipelineDiff>;
