import { z } from 'zod';
import { ARTIFACT_LIMITS } from './artifact-path.ts';
import { parseByteSize } from './byte-size.ts';
import { failurePattern, failurePatterns } from './definition/failure-patterns.ts';
import { duration } from './definition/values.ts';

const byteSize = z.union([z.string(), z.number()]).transform((value, context) => {
  const bytes = parseByteSize(value);
  if (bytes !== undefined) return bytes;
  context.issues.push({
    code: 'custom',
    input: value,
    message: `"${value}" is not a size; write for example 500M or 20G`,
  });
  return z.NEVER;
});

/** Where artifacts are kept; a directory of the server's own unless given. */
const artifactStore = z
  .strictObject({
    /** A directory; servers that share a database need one that they share, or S3. */
    dir: z.string().min(1).max(4096).optional(),
    /** A bucket of an S3-compatible store. Who we are there is in AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY. */
    s3: z
      .strictObject({
        bucket: z.string().regex(/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/, 'is no name of a bucket'),
        /** Before the names of all objects. */
        prefix: z
          .string()
          .max(200)
          .transform((prefix) => prefix.replace(/^\/+|\/+$/g, ''))
          .default(''),
        region: z.string().min(1).max(100).optional(),
        /** Of another service than Amazon's, such as http://127.0.0.1:9000. */
        endpoint: z.url({ protocol: /^https?$/ }).optional(),
      })
      .optional(),
    maxFileSize: byteSize.default(ARTIFACT_LIMITS.fileBytes),
  })
  .refine(({ dir, s3 }) => dir === undefined || s3 === undefined, {
    message: 'names a directory and a bucket; artifacts are kept in one of them',
  });
export type ArtifactStoreConfig = z.infer<typeof artifactStore>;

/** The configuration file of a server, `config.yaml`. Left out: nothing is added, and nothing is removed. */
export const serverConfig = z.strictObject({
  /** Looked for in the log of every failed program, after those of its stage and pipelines and before ours. */
  failures: failurePatterns.default([]),
  retention: z
    .strictObject({
      /** Of runs that have ended, counted from their end. */
      logs: z.strictObject({ maxAge: duration.optional(), maxSize: byteSize.optional() }).prefault({}),
      /** What metrics were written as; the points that were made of it stay. */
      metricFiles: z.strictObject({ maxAge: duration.optional() }).prefault({}),
      /** Artifacts of runs that have ended; and, of all, versions that have so many newer ones. */
      artifacts: z
        .strictObject({ maxAge: duration.optional(), maxVersions: z.int().min(1).optional() })
        .prefault({}),
    })
    .prefault({}),
  artifacts: artifactStore.prefault({}),
});
export type ServerConfig = z.infer<typeof serverConfig>;

/** What a server of this configuration does; durations are milliseconds, sizes bytes, null: no limit. */
export const shownServerConfig = z.object({
  failures: z.object({
    /** Of the configuration file. */
    own: z.array(failurePattern),
    /** Those that come with Trainyard. */
    shipped: z.array(failurePattern),
  }),
  retention: z.object({
    logs: z.object({ maxAgeMs: z.number().nullable(), maxBytes: z.number().nullable() }),
    metricFiles: z.object({ maxAgeMs: z.number().nullable() }),
    artifacts: z.object({ maxAgeMs: z.number().nullable(), maxVersions: z.number().nullable() }),
  }),
  artifacts: z.object({
    /** A directory, or a bucket as s3://bucket/prefix. */
    place: z.string(),
    maxFileBytes: z.number(),
  }),
});
export type ShownServerConfig = z.infer<typeof shownServerConfig>;

/** An agent asks which of its attempt directories nobody needs any more. */
export const askRemovable = z.strictObject({ attemptIds: z.array(z.string().max(100)).max(500) });
export const removableAnswer = z.object({
  items: z.array(
    z.object({
      attemptId: z.string(),
      /** `deleted`: its run is gone. `ended`: its run has ended, and nothing that is recorded lies there. */
      because: z.enum(['deleted', 'ended']),
    }),
  ),
});
export type RemovableAnswer = z.infer<typeof removableAnswer>;

export const keepRun = z.strictObject({ kept: z.boolean() });
export const keptRun = z.object({ id: z.string(), kept: z.boolean() });
export type KeptRun = z.infer<typeof keptRun>;
