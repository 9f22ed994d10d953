import { z } from 'zod';
import { ARTIFACT_LIMITS, artifactFolder, artifactPath } from './artifact-path.ts';

const sha256 = z.string().regex(/^[0-9a-f]{64}$/, 'a SHA-256 has 64 digits in lower-case hex');
const sizeBytes = z.int().min(0).max(Number.MAX_SAFE_INTEGER);

/** A version of a file of a run. Versions of a path count from 1; the newest is what the path means. */
export const artifact = z.object({
  runId: z.string(),
  path: z.string(),
  version: z.int(),
  sizeBytes: z.int(),
  sha256: z.string(),
  contentType: z.string(),
  createdAt: z.iso.datetime(),
});
export type Artifact = z.infer<typeof artifact>;

/** What lies directly in a folder. Of a folder nothing but its path is known. */
export const artifactEntry = z.union([
  artifact.omit({ runId: true }).extend({ isDir: z.literal(false) }),
  z.object({ path: z.string(), isDir: z.literal(true) }),
]);
export type ArtifactEntry = z.infer<typeof artifactEntry>;

export const listArtifactsQuery = z.object({
  path: artifactFolder,
  /** `nextCursor` of the page before. */
  cursor: z
    .string()
    .max(ARTIFACT_LIMITS.pathCharacters + 1)
    .optional(),
  limit: z.coerce.number().int().min(1).max(ARTIFACT_LIMITS.pageItems).default(200),
});
export const artifactList = z.object({ items: z.array(artifactEntry), nextCursor: z.string().nullable() });
export type ArtifactList = z.infer<typeof artifactList>;

export const artifactVersionQuery = z.object({
  path: artifactPath,
  version: z.coerce.number().int().min(1).max(ARTIFACT_LIMITS.versionsPerFile).optional(),
});
export const artifactVersions = z.object({ items: z.array(artifact) });

export const removedArtifacts = z.object({
  /** Versions that are gone. */
  removed: z.int(),
});

/** Begins an upload that may be gone on with after a broken connection. */
export const beginArtifactUpload = z.strictObject({
  path: artifactPath,
  sizeBytes,
  /** With it, a file whose content is there already needs no bytes. */
  sha256: sha256.optional(),
  /** Told from the end of the path unless given. */
  contentType: z
    .string()
    .max(200)
    .regex(/^[\w.+-]+\/[\w.+-]+(?:\s*;\s*[\w.+-]+=[\w.+"-]+)*$/, 'is no media type, as image/png')
    .optional(),
});
export type BeginArtifactUpload = z.input<typeof beginArtifactUpload>;

export const artifactUpload = z.object({
  id: z.string(),
  runId: z.string(),
  path: z.string(),
  sizeBytes: z.int(),
  /** Bytes that are there: the next part begins with this offset. */
  receivedBytes: z.int(),
  maxPartBytes: z.int(),
  /** As soon as it is complete. */
  artifact: artifact.nullable(),
});
export type ArtifactUpload = z.infer<typeof artifactUpload>;

export const uploadPartQuery = z.object({
  /** Place of the first byte of the body in the file. */
  offset: z.coerce.number().int().min(0).max(Number.MAX_SAFE_INTEGER),
});
export const uploadedPart = z.object({ receivedBytes: z.int() });

export const completeArtifactUpload = z.strictObject({ sha256 });
