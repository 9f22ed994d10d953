import { join, resolve } from 'node:path';
import { type ArtifactStoreConfig, type ServerConfig, TrainyardError } from '@trainyard/protocol';
import type { Pool } from 'pg';
import { Artifacts } from './artifacts.ts';
import type { BlobStore } from './blob-store.ts';
import { ArtifactCollector } from './collect-artifacts.ts';
import { createDirectoryBlobStore } from './directory-blob-store.ts';
import { createS3BlobStore } from './s3-blob-store.ts';
import { createStaging } from './staging.ts';

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * Opens the store of artifacts that the configuration names.
 * @throws TrainyardError USAGE, STORAGE_FAILED when it cannot be used
 */
export async function openArtifacts(options: {
  readonly config: ServerConfig;
  readonly dataDir: string;
  readonly pool: Pool;
  readonly stopping: AbortSignal;
  readonly env?: Environment;
}): Promise<{ readonly artifacts: Artifacts; readonly artifactCollector: ArtifactCollector }> {
  const { config, pool, stopping } = options;
  const dir = resolve(config.artifacts.dir ?? join(options.dataDir, 'artifacts'));
  const store = openStore(config.artifacts, dir, options.env ?? process.env);
  // Beside the content, so that a complete file is moved, not copied.
  const staging = createStaging(join(dir, 'uploads'));
  await staging.open();
  await store.check();
  const maxFileBytes = config.artifacts.maxFileSize;
  return {
    artifacts: new Artifacts({ pool, store, staging, maxFileBytes, stopping }),
    artifactCollector: new ArtifactCollector({
      pool,
      store,
      staging,
      retention: config.retention.artifacts,
    }),
  };
}

function openStore({ s3 }: ArtifactStoreConfig, dir: string, env: Environment): BlobStore {
  if (s3 === undefined) return createDirectoryBlobStore(join(dir, 'content'));
  const accessKeyId = env['AWS_ACCESS_KEY_ID'];
  const secretAccessKey = env['AWS_SECRET_ACCESS_KEY'];
  if (!accessKeyId || !secretAccessKey) {
    throw new TrainyardError(
      'USAGE',
      `The server's configuration keeps artifacts in the bucket ${s3.bucket}; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in the server's environment.`,
    );
  }
  return createS3BlobStore({
    bucket: s3.bucket,
    prefix: s3.prefix === '' ? '' : `${s3.prefix}/`,
    region: s3.region ?? (env['AWS_REGION'] || env['AWS_DEFAULT_REGION'] || 'us-east-1'),
    endpoint: s3.endpoint ?? (env['AWS_ENDPOINT_URL_S3'] || env['AWS_ENDPOINT_URL'] || undefined),
    accessKeyId,
    secretAccessKey,
    sessionToken: env['AWS_SESSION_TOKEN'] || undefined,
  });
}
