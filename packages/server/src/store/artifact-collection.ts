import type { ClientBase, Pool } from 'pg';

/** What the store of artifacts may forget: content that nobody refers to, uploads that nobody goes on with. */

const PER_ROUND = 500;

/**
 * Forgets content that nobody has referred to since an instant. Whoever refers to it at this moment has touched its
 * row, so it is left alone.
 * @returns where it was kept; nothing else can be there later
 */
export async function forgetUnusedBlobs(pool: Pool, touchedBefore: Date): Promise<string[]> {
  const { rows } = await pool.query<{ storage_key: string }>(
    `delete from artifact_blobs b where b.sha256 in (
       select o.sha256 from artifact_blobs o
       where o.touched_at < $1 and not exists (select 1 from artifacts a where a.sha256 = o.sha256)
       order by o.touched_at limit $2 for update skip locked)
     and b.touched_at < $1
     returning storage_key`,
    [touchedBefore, PER_ROUND],
  );
  return rows.map((row) => row.storage_key);
}

/** Those of the keys under which nothing is kept that anybody knows of. */
export async function unknownKeys(pool: Pool, keys: readonly string[]): Promise<string[]> {
  const { rows } = await pool.query<{ key: string }>(
    `select key from unnest($1::text[]) key
     where not exists (select 1 from artifact_blobs b where b.storage_key = key)`,
    [keys],
  );
  return rows.map(({ key }) => key);
}

/** @returns ids of those that are over */
export async function forgetUploads(pool: Pool, createdBefore: Date): Promise<string[]> {
  const { rows } = await pool.query<{ id: string }>(
    `delete from artifact_uploads where id in (
       select id from artifact_uploads where created_at < $1 order by created_at limit $2 for update skip locked)
     returning id`,
    [createdBefore, PER_ROUND],
  );
  return rows.map(({ id }) => id);
}

/** Those of the ids that are of no upload. */
export async function unknownUploads(pool: Pool, ids: readonly string[]): Promise<string[]> {
  const { rows } = await pool.query<{ id: string }>(
    'select id from unnest($1::text[]) id where not exists (select 1 from artifact_uploads u where u.id = id)',
    [ids],
  );
  return rows.map(({ id }) => id);
}

/**
 * Removes the artifacts of trees that ended before an instant and that nobody wants to keep.
 * @returns how many versions went, at most as many as a round may
 */
export async function removeOldArtifacts(client: ClientBase, endedBefore: Date): Promise<number> {
  const { rowCount } = await client.query(
    `delete from artifacts where (owner_id, path, version) in (
       select a.owner_id, a.path, a.version from trees t join artifacts a on a.root_id = t.root_id
       where t.ended_at < $1 and t.kept_at is null limit $2)`,
    [endedBefore, PER_ROUND],
  );
  return rowCount ?? 0;
}

/** Removes versions with more than `kept` newer ones. @returns how many went, at most as many as a round may */
export async function removeOldVersions(client: ClientBase, kept: number): Promise<number> {
  const { rowCount } = await client.query(
    `delete from artifacts where (owner_id, path, version) in (
       select a.owner_id, a.path, a.version from artifacts n
       join lateral (
         select o.owner_id, o.path, o.version from artifacts o
         where o.owner_id = n.owner_id and o.path = n.path and o.version <= n.version - $1
       ) a on true
       left join trees t on t.root_id = n.root_id
       where n.version > $1 and t.kept_at is null
         and not exists (
           select 1 from artifacts m where m.owner_id = n.owner_id and m.path = n.path and m.version > n.version)
       limit $2)`,
    [kept, PER_ROUND],
  );
  return rowCount ?? 0;
}
