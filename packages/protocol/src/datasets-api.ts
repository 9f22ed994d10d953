import { z } from 'zod';
import { datasetVersion, page } from './api.ts';
import { MAX_DATASET_NAME } from './dataset-name.ts';
import { datasetSplit } from './dataset-record.ts';

/** Limits of what is registered of a dataset, and of what is asked of it. */
export const DATASET_API_LIMITS = {
  columns: 2000,
  previewRows: 100,
  /** Of a profile or a preview, as JSON text. */
  storedBytes: 512 * 1024,
  sqlLength: 100_000,
  sqlRows: 10_000,
  lineageDepth: 10,
  lineageEdges: 1000,
} as const;

const sha256 = z.string().regex(/^[0-9a-f]{64}$/, 'a SHA-256 has 64 digits in lower-case hex');
const plainRow = z.record(z.string(), z.unknown());

/** A column with its type in DuckDB's notation: BIGINT, VARCHAR[], … */
export const datasetColumn = z.object({ name: z.string().max(1000), type: z.string().max(100_000) });
export type DatasetColumn = z.infer<typeof datasetColumn>;

const quantiles = z.object({
  p05: z.number(),
  p25: z.number(),
  p50: z.number(),
  p75: z.number(),
  p95: z.number(),
});
const lengths = z.object({
  min: z.number().nullable(),
  mean: z.number().nullable(),
  max: z.number().nullable(),
});

/** What the values of a column are like. Counts of distinct values and quantiles are approximate. */
export const datasetColumnProfile = datasetColumn.extend({
  nulls: z.int().min(0),
  distinct: z.int().min(0),
  min: z.unknown().optional(),
  max: z.unknown().optional(),
  mean: z.number().nullable().optional(),
  stddev: z.number().nullable().optional(),
  quantiles: quantiles.nullable().optional(),
  notFinite: z.int().min(0).optional(),
  trues: z.int().min(0).optional(),
  length: lengths.optional(),
  empty: z.int().min(0).optional(),
});

export const datasetProfile = z.object({
  rows: z.int().min(0),
  columns: z.array(datasetColumnProfile).max(DATASET_API_LIMITS.columns),
});
export type StoredDatasetProfile = z.infer<typeof datasetProfile>;

export const datasetPreview = z.object({
  columns: z.array(datasetColumn).max(DATASET_API_LIMITS.columns),
  rows: z.array(plainRow).max(DATASET_API_LIMITS.previewRows),
});
export type DatasetPreview = z.infer<typeof datasetPreview>;

/** What somebody who can read a dataset tells the server about a version of it. */
export const registerDatasetVersion = z.strictObject({
  sha256,
  sizeBytes: z.int().min(0),
  /** Absolute path on the machine that has it. */
  path: z.string().min(1).max(4096),
  /** Where it comes from, such as a URL. */
  source: z.string().min(1).max(4096).optional(),
  format: z.string().min(1).max(20).optional(),
  rows: z.int().min(0).optional(),
  columns: z.array(datasetColumn).max(DATASET_API_LIMITS.columns).optional(),
  profile: datasetProfile.optional(),
  preview: datasetPreview.optional(),
  /** A run that used it, and how. */
  run: z
    .strictObject({
      id: z.string().max(100),
      role: z.enum(['input', 'output']),
      split: datasetSplit.optional(),
    })
    .optional(),
});
export type RegisterDatasetVersion = z.input<typeof registerDatasetVersion>;
/** By which a dataset is asked for: also one that was stored before there was a rule for names. */
export const datasetName = z.string().min(1).max(MAX_DATASET_NAME);

/** A version with what is known of its content and origin. */
export const datasetVersionDetails = datasetVersion.extend({
  source: z.string().nullable(),
  format: z.string().nullable(),
  columns: z.array(datasetColumn).nullable(),
  /** Attempt that wrote it; null for one that was registered or only read. */
  createdBy: z.object({ runId: z.string(), attemptId: z.string() }).nullable(),
  /** Whether a profile and first rows were registered. */
  hasProfile: z.boolean(),
});
export type DatasetVersionDetails = z.infer<typeof datasetVersionDetails>;

/** A dataset: all versions of a name. */
export const datasetSummary = z.object({
  name: z.string(),
  versions: z.int(),
  latest: datasetVersionDetails,
});
export type DatasetSummary = z.infer<typeof datasetSummary>;

const cursor = z.string().max(1000).optional();
const limit = z.coerce.number().int().min(1).max(500).default(100);
export const listDatasetsQuery = z.object({ name: datasetName.optional(), cursor, limit });
export const listVersionsQuery = z.object({ cursor, limit });
export const datasetVersionPage = page(datasetVersion);
export const datasetDetailsPage = page(datasetVersionDetails);

/** Where an answer about the content comes from: the file, or what was registered with the version. */
const from = z.enum(['file', 'registered']);
export const previewAnswer = datasetPreview.extend({ from });
export type DatasetPreviewAnswer = z.infer<typeof previewAnswer>;
export const profileAnswer = datasetProfile.extend({ from });
export type DatasetProfileAnswer = z.infer<typeof profileAnswer>;
export const countAnswer = z.object({ rows: z.int(), from });
export type DatasetCountAnswer = z.infer<typeof countAnswer>;

export const datasetSql = z.strictObject({
  /** One SELECT on the table `data`. */
  sql: z.string().min(1).max(DATASET_API_LIMITS.sqlLength),
  limit: z.int().min(1).max(DATASET_API_LIMITS.sqlRows).default(1000),
});
export const sqlAnswer = z.object({
  columns: z.array(datasetColumn),
  rows: z.array(plainRow),
  /** Whether there are more rows than the limit or the size of an answer allow. */
  isTruncated: z.boolean(),
});
export type DatasetSqlAnswer = z.infer<typeof sqlAnswer>;

/** Which runs made and used a version, and through them the versions it was made of and that were made of it. */
export const datasetLineage = z.object({
  name: z.string(),
  sha256: z.string(),
  /** Each says that a run read or wrote a version. */
  edges: z.array(
    z.object({
      name: z.string(),
      sha256: z.string(),
      runId: z.string(),
      rootId: z.string(),
      /** Name of the stage, path in its root run. */
      path: z.string(),
      role: z.enum(['input', 'output']),
      /** The part that was read, and who chose it; null when that was not recorded. */
      split: datasetSplit.nullable(),
    }),
  ),
  /** Whether there is more than the limits let be shown. */
  isTruncated: z.boolean(),
});
export type DatasetLineage = z.infer<typeof datasetLineage>;
