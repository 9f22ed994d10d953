import { ARTIFACT_LIMITS, type Artifact, type ArtifactEntry, TrainyardError } from '@trainyard/protocol';
import type { ClientBase, Pool } from 'pg';
import { inTransaction } from './transaction.ts';

/** The files of runs, and of logged models: which there are, and in which content they share. */

/** Whose file it is. */
export interface ArtifactOwner {
  readonly id: string;
  /** Root of its tree of runs, with which its artifacts go; null for what is in none. */
  readonly rootId: string | null;
}

export interface NewArtifact {
  readonly owner: ArtifactOwner;
  readonly path: string;
  readonly sha256: string;
  readonly sizeBytes: number;
  readonly contentType: string;
  /** Where the content was put; undefined when the store has had it before. */
  readonly storageKey: string | undefined;
  /** The upload that it came with. */
  readonly uploadId?: string | undefined;
}

/** The store does not have the content yet, or not any more. */
export class UnknownContent extends Error {}

interface ArtifactRow {
  owner_id: string;
  path: string;
  version: number;
  sha256: string;
  size_bytes: number;
  content_type: string;
  created_at: Date;
}

const COLUMNS = 'owner_id, path, version, sha256, size_bytes, content_type, created_at';

/**
 * Makes content the newest version of a path. The same content again changes nothing.
 * @returns the version, and where its content is: not in `storageKey` if the store had it before
 * @throws TrainyardError NOT_FOUND the run is gone, CONFLICT a name would be file and folder
 * @throws UnknownContent without a `storageKey`
 */
export function addArtifact(
  pool: Pool,
  added: NewArtifact,
): Promise<{ readonly artifact: Artifact; readonly storageKey: string }> {
  const { owner, path } = added;
  return inTransaction(pool, 'read committed', async (client) => {
    await client.query('select pg_advisory_xact_lock(hashtextextended($1, 44))', [owner.id]);
    if (owner.rootId !== null) await expectTree(client, owner);
    const storageKey = await holdBlob(client, added);
    await refuseFileAsFolder(client, owner.id, path);
    const newest = await newestVersion(client, owner.id, path);
    const isSame = newest?.sha256 === added.sha256 && newest.content_type === added.contentType;
    const row = isSame ? newest : await insertVersion(client, added, (newest?.version ?? 0) + 1);
    if (added.uploadId !== undefined) {
      await client.query('update artifact_uploads set version = $2 where id = $1', [
        added.uploadId,
        row.version,
      ]);
    }
    return { artifact: toArtifact(row), storageKey };
  });
}

/** Keeps a deletion of the tree, which begins with its root, away until this is done, or sees that it was faster. */
async function expectTree(client: ClientBase, { id, rootId }: ArtifactOwner): Promise<void> {
  const { rows } = await client.query('select 1 from runs where id = $1 for key share', [rootId]);
  if (rows.length === 0) throw new TrainyardError('NOT_FOUND', `There is no run ${id} any more.`);
}

/** From here on the content is not collected: its row was touched, and is locked until the reference is there. */
async function holdBlob(client: ClientBase, added: NewArtifact): Promise<string> {
  const { rows } =
    added.storageKey === undefined
      ? await client.query<{ storage_key: string }>(
          'update artifact_blobs set touched_at = now() where sha256 = $1 returning storage_key',
          [added.sha256],
        )
      : await client.query<{ storage_key: string }>(
          `insert into artifact_blobs (sha256, size_bytes, storage_key) values ($1, $2, $3)
           on conflict (sha256) do update set touched_at = now() returning storage_key`,
          [added.sha256, added.sizeBytes, added.storageKey],
        );
  if (rows[0] !== undefined) return rows[0].storage_key;
  throw new UnknownContent(`There is no content ${added.sha256}.`);
}

async function refuseFileAsFolder(client: ClientBase, ownerId: string, path: string): Promise<void> {
  const names = path.split('/');
  const folders = names.slice(1).map((_, index) => names.slice(0, index + 1).join('/'));
  const { rows } = await client.query<{ path: string }>(
    `(select path from artifacts where owner_id = $1 and path = any($2::text[]) limit 1)
     union all
     (select path from artifacts where owner_id = $1 and path > $3 and path < $4 limit 1)`,
    [ownerId, folders, ...insideOf(path)],
  );
  const found = rows[0]?.path;
  if (found === undefined) return;
  const message = folders.includes(found)
    ? `"${found}" of ${ownerId} is a file, so nothing can be put into it as "${path}".`
    : `"${path}" of ${ownerId} is a folder: there is "${found}".`;
  throw new TrainyardError('CONFLICT', `${message} Use another path, or delete what is there.`);
}

async function newestVersion(
  client: ClientBase,
  ownerId: string,
  path: string,
): Promise<ArtifactRow | undefined> {
  const { rows } = await client.query<ArtifactRow>(
    `select ${COLUMNS} from artifacts where owner_id = $1 and path = $2 order by version desc limit 1`,
    [ownerId, path],
  );
  return rows[0];
}

async function insertVersion(client: ClientBase, added: NewArtifact, version: number): Promise<ArtifactRow> {
  const { owner, path } = added;
  if (version > ARTIFACT_LIMITS.versionsPerFile) {
    throw new TrainyardError(
      'CONFLICT',
      `"${path}" of ${owner.id} has ${ARTIFACT_LIMITS.versionsPerFile} versions, which is the most; delete it, or use another path.`,
    );
  }
  const { rows: full } = await client.query('select 1 from artifacts where owner_id = $1 offset $2 limit 1', [
    owner.id,
    ARTIFACT_LIMITS.filesPerRun - 1,
  ]);
  if (full.length > 0) {
    throw new TrainyardError(
      'CONFLICT',
      `${owner.id} has ${ARTIFACT_LIMITS.filesPerRun} artifacts, which is the most; pack many small files into one.`,
    );
  }
  const { rows } = await client.query<ArtifactRow>(
    `insert into artifacts (owner_id, root_id, path, version, sha256, size_bytes, content_type)
     values ($1, $2, $3, $4, $5, $6, $7) returning ${COLUMNS}`,
    [owner.id, owner.rootId, path, version, added.sha256, added.sizeBytes, added.contentType],
  );
  return rows[0]!;
}

/** A version of a file, the newest unless given; undefined when there is none. */
export async function findArtifact(
  pool: Pool,
  ownerId: string,
  path: string,
  version?: number,
): Promise<{ readonly artifact: Artifact; readonly storageKey: string } | undefined> {
  const { rows } = await pool.query<ArtifactRow & { storage_key: string }>(
    `select a.*, b.storage_key from artifacts a join artifact_blobs b using (sha256)
     where a.owner_id = $1 and a.path = $2 and ($3::int is null or a.version = $3)
     order by a.version desc limit 1`,
    [ownerId, path, version ?? null],
  );
  const row = rows[0];
  return row && { artifact: toArtifact(row), storageKey: row.storage_key };
}

/** All versions of a file, newest first. */
export async function artifactVersions(pool: Pool, ownerId: string, path: string): Promise<Artifact[]> {
  const { rows } = await pool.query<ArtifactRow>(
    `select ${COLUMNS} from artifacts where owner_id = $1 and path = $2 order by version desc`,
    [ownerId, path],
  );
  return rows.map(toArtifact);
}

/**
 * What lies directly in a folder, in the order of the paths' bytes. Jumps from name to name, so that what lies
 * deeper costs nothing.
 * @param which.after `cursorOf` the last entry of the page before
 */
export async function artifactsInFolder(
  pool: Pool,
  ownerId: string,
  which: { readonly folder: string; readonly after?: string | undefined; readonly limit: number },
): Promise<ArtifactEntry[]> {
  const [prefix, end] = which.folder === '' ? ['', HIGHEST] : insideOf(which.folder);
  const first = which.after === undefined ? prefix : behind(which.after);
  const { rows } = await pool.query<ListedRow>(LIST_FOLDER, [
    ownerId,
    first,
    end,
    prefix,
    prefix.length + 1,
    which.limit,
  ]);
  return rows.map(({ child, is_dir: isDir, ...row }) => {
    if (isDir) return { path: child, isDir };
    const { runId: _, ...file } = toArtifact(row);
    return { ...file, isDir };
  });
}

/** Where a page goes on behind an entry. */
export function cursorOf({ path, isDir }: ArtifactEntry): string {
  return isDir ? `${path}/` : path;
}

interface ListedRow extends ArtifactRow {
  child: string;
  is_dir: boolean;
}

/** No path is behind this. */
const HIGHEST = '\u{10ffff}';
/** Comes before all that may follow a file's path, since paths hold no control characters. */
const LOWEST = '\u0001';

/** The first path that can come behind a cursor: a file's own path, or all in a folder, is passed over. */
function behind(cursor: string): string {
  return cursor.endsWith('/') ? `${cursor.slice(0, -1)}0` : cursor + LOWEST;
}

const CHILD = `$4::text || split_part(substr(a.path, $5::int), '/', 1) collate "C" as child,
  strpos(substr(a.path, $5::int), '/') > 0 as is_dir`;
const LIST_FOLDER = `
  with recursive entry (child, is_dir) as (
    (select ${CHILD} from artifacts a
     where a.owner_id = $1 and a.path >= $2 and a.path < $3 order by a.path limit 1)
    union all
    select n.child, n.is_dir from entry e cross join lateral (
      select ${CHILD} from artifacts a
      where a.owner_id = $1 and a.path >= e.child || case when e.is_dir then '0' else chr(1) end and a.path < $3
      order by a.path limit 1) n
  )
  select e.child, e.is_dir, a.* from (select * from entry limit $6) e
  left join lateral (
    select ${COLUMNS} from artifacts where owner_id = $1 and path = e.child order by version desc limit 1
  ) a on not e.is_dir`;

/** The paths in a folder are between these two. */
function insideOf(folder: string): [string, string] {
  return [`${folder}/`, `${folder}0`];
}

/** Removes a file with all its versions, or all in a folder. @returns how many versions went */
export async function removeArtifacts(pool: Pool, ownerId: string, path: string): Promise<number> {
  const { rowCount } = await pool.query(
    'delete from artifacts where owner_id = $1 and (path = $2 or (path >= $3 and path < $4))',
    [ownerId, path, ...insideOf(path)],
  );
  return rowCount ?? 0;
}

function toArtifact(row: ArtifactRow): Artifact {
  return {
    runId: row.owner_id,
    path: row.path,
    version: row.version,
    sizeBytes: row.size_bytes,
    sha256: row.sha256,
    contentType: row.content_type,
    createdAt: row.created_at.toISOString(),
  };
}
