import { ARTIFACT_LIMITS, newId, TrainyardError } from '@trainyard/protocol';
import type { Pool } from 'pg';
import type { ArtifactOwner } from './artifacts.ts';

/** Uploads of artifacts that come in parts: what they are to become, and what they have become. */

export interface StoredUpload {
  readonly id: string;
  readonly owner: ArtifactOwner;
  readonly path: string;
  readonly sizeBytes: number;
  readonly contentType: string;
  /** The version that it became; null until then. */
  readonly version: number | null;
}

interface UploadRow {
  id: string;
  owner_id: string;
  root_id: string | null;
  path: string;
  size_bytes: number;
  content_type: string;
  version: number | null;
}

/** @throws TrainyardError TOO_MANY_REQUESTS when too many are open */
export async function insertUpload(
  pool: Pool,
  upload: Omit<StoredUpload, 'id' | 'version'>,
): Promise<StoredUpload> {
  const { owner, path, sizeBytes, contentType } = upload;
  const { rows: full } = await pool.query(
    'select 1 from artifact_uploads where owner_id = $1 and version is null offset $2 limit 1',
    [owner.id, ARTIFACT_LIMITS.openUploadsPerRun - 1],
  );
  if (full.length > 0) {
    throw new TrainyardError(
      'TOO_MANY_REQUESTS',
      `${owner.id} has ${ARTIFACT_LIMITS.openUploadsPerRun} uploads that are not complete; complete or end some.`,
    );
  }
  const id = newId('upl');
  await pool.query(
    `insert into artifact_uploads (id, owner_id, root_id, path, size_bytes, content_type)
     values ($1, $2, $3, $4, $5, $6)`,
    [id, owner.id, owner.rootId, path, sizeBytes, contentType],
  );
  return { id, ...upload, version: null };
}

export async function findUpload(pool: Pool, id: string): Promise<StoredUpload | undefined> {
  const { rows } = await pool.query<UploadRow>('select * from artifact_uploads where id = $1', [id]);
  const row = rows[0];
  return (
    row && {
      id: row.id,
      owner: { id: row.owner_id, rootId: row.root_id },
      path: row.path,
      sizeBytes: row.size_bytes,
      contentType: row.content_type,
      version: row.version,
    }
  );
}

export async function deleteUpload(pool: Pool, id: string): Promise<void> {
  await pool.query('delete from artifact_uploads where id = $1', [id]);
}
