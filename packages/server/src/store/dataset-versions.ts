import {
  DATASET_API_LIMITS,
  type DatasetColumn,
  type DatasetLineage,
  type DatasetPreview,
  type DatasetSummary,
  type DatasetVersionDetails,
  type RegisterDatasetVersion,
  type StoredDatasetProfile,
  TrainyardError,
} from '@trainyard/protocol';
import { type RawBuilder, sql } from 'kysely';
import type { Database } from './database.ts';
import { jsonbText } from './jsonb-text.ts';

export interface VersionPage {
  readonly items: DatasetVersionDetails[];
  readonly nextCursor: string | null;
}

export interface DatasetVersionStore {
  /** Newest first. */
  list(query: {
    readonly name?: string | undefined;
    readonly cursor?: string | undefined;
    readonly limit: number;
  }): Promise<VersionPage>;
  /** @throws TrainyardError NOT_FOUND */
  summary(name: string): Promise<DatasetSummary>;
  /** @param version `latest`, or the first digits of a SHA-256. @throws TrainyardError NOT_FOUND, CONFLICT for several */
  find(name: string, version: string): Promise<DatasetVersionDetails>;
  registered(
    name: string,
    sha256: string,
  ): Promise<{ profile: StoredDatasetProfile | null; preview: DatasetPreview | null }>;
  /** Makes the version, or adds to what is known of it. @throws TrainyardError NOT_FOUND for a run that is not there */
  register(name: string, version: RegisterDatasetVersion): Promise<{ isNew: boolean }>;
  lineage(name: string, sha256: string): Promise<DatasetLineage>;
}

export function createDatasetVersionStore({ kysely }: Database): DatasetVersionStore {
  const read = async (where: RawBuilder<unknown>, limit: number): Promise<VersionRow[]> => {
    const { rows } = await sql<VersionRow>`
      select v.name, v.sha256, v.size_bytes, v.rows, v.path, v.created_at, v.created_at::text as created_text,
        v.source, v.format, v.columns, v.created_run_id, v.created_attempt_id,
        exists (select 1 from dataset_profiles p where p.name = v.name and p.sha256 = v.sha256) as has_profile,
        coalesce((
          select json_agg(json_build_object('runId', u.run_id, 'role', u.role) order by u.run_id)
          from (select run_id, role from run_datasets where name = v.name and sha256 = v.sha256
                order by run_id desc limit 100) u), '[]') as runs
      from dataset_versions v where ${where}
      order by v.created_at desc, v.name desc, v.sha256 desc limit ${limit}`.execute(kysely);
    return rows;
  };
  const byName = (name: string | undefined): RawBuilder<unknown> =>
    name === undefined ? sql`true` : sql`v.name = ${name}`;

  return {
    async list({ name, cursor, limit }) {
      const after = cursor === undefined ? sql`true` : afterCursor(cursor);
      const rows = await read(sql`${byName(name)} and ${after}`, limit + 1);
      const items = rows.slice(0, limit);
      const last = items.at(-1);
      return {
        items: items.map(toDetails),
        nextCursor: rows.length > limit && last !== undefined ? cursorOf(last) : null,
      };
    },
    async summary(name) {
      const [latest] = await read(byName(name), 1);
      if (latest === undefined) throw notFound(name);
      const { rows } = await sql<{ count: number }>`
        select count(*)::int as count from dataset_versions where name = ${name}`.execute(kysely);
      return { name, versions: rows[0]!.count, latest: toDetails(latest) };
    },
    async find(name, version) {
      if (version === 'latest') {
        const [latest] = await read(byName(name), 1);
        if (latest === undefined) throw notFound(name);
        return toDetails(latest);
      }
      const found = await read(sql`v.name = ${name} and starts_with(v.sha256, ${version})`, 2);
      if (found.length === 0) throw notFound(name, version);
      if (found.length > 1) {
        throw new TrainyardError(
          'CONFLICT',
          `Several versions of "${name}" begin with ${version}; give more digits.`,
        );
      }
      return toDetails(found[0]!);
    },
    async registered(name, sha256) {
      const { rows } = await sql<{ profile: StoredDatasetProfile | null; preview: DatasetPreview | null }>`
        select profile, preview from dataset_profiles where name = ${name} and sha256 = ${sha256}`.execute(
        kysely,
      );
      return rows[0] ?? { profile: null, preview: null };
    },
    register: (name, version) =>
      kysely.transaction().execute(async (transaction) => {
        const { rows } = await sql<{ is_new: boolean }>`
          insert into dataset_versions (name, sha256, size_bytes, rows, path, source, format, columns)
          values (${name}, ${version.sha256}, ${version.sizeBytes}, ${version.rows ?? version.profile?.rows ?? null},
            ${version.path}, ${version.source ?? null}, ${version.format ?? null}, ${jsonOrNull(version.columns)}::jsonb)
          on conflict (name, sha256) do update set
            rows = coalesce(dataset_versions.rows, excluded.rows),
            path = excluded.path,
            source = coalesce(excluded.source, dataset_versions.source),
            format = coalesce(excluded.format, dataset_versions.format),
            columns = coalesce(excluded.columns, dataset_versions.columns)
          returning xmax = 0 as is_new`.execute(transaction);
        if (version.profile !== undefined || version.preview !== undefined) {
          await sql`
            insert into dataset_profiles (name, sha256, profile, preview)
            values (${name}, ${version.sha256}, ${jsonOrNull(version.profile)}::jsonb, ${jsonOrNull(version.preview)}::jsonb)
            on conflict (name, sha256) do update set
              profile = coalesce(excluded.profile, dataset_profiles.profile),
              preview = coalesce(excluded.preview, dataset_profiles.preview),
              updated_at = now()`.execute(transaction);
        }
        if (version.run !== undefined) {
          const { id, role, split } = version.run;
          const { numAffectedRows } = await sql`
            insert into run_datasets (run_id, root_id, name, sha256, role, split)
            select id, root_id, ${name}, ${version.sha256}, ${role}, ${jsonOrNull(split)}::jsonb from runs where id = ${id}
            on conflict (run_id, name, sha256, role) do update set split = coalesce(excluded.split, run_datasets.split)`.execute(
            transaction,
          );
          if (numAffectedRows === 0n) throw new TrainyardError('NOT_FOUND', `There is no run ${id}.`);
        }
        return { isNew: rows[0]!.is_new };
      }),
    async lineage(name, sha256) {
      const { rows } = await sql<DatasetLineage['edges'][number]>`
        with recursive reached(name, sha256, depth) as (
          select ${name}::text, ${sha256}::text, 0
          union
          select other.name, other.sha256, reached.depth + 1
          from reached
          join run_datasets own on own.name = reached.name and own.sha256 = reached.sha256
          join run_datasets other on other.run_id = own.run_id and other.role <> own.role
          where reached.depth < ${DATASET_API_LIMITS.lineageDepth}
        )
        select d.name, d.sha256, d.run_id as "runId", d.root_id as "rootId", r.path, d.role, d.split
        from (select distinct name, sha256 from (select * from reached limit 100000) bounded) versions
        join run_datasets d on d.name = versions.name and d.sha256 = versions.sha256
        join runs r on r.id = d.run_id
        order by d.run_id desc, d.role, d.name, d.sha256
        limit ${DATASET_API_LIMITS.lineageEdges + 1}`.execute(kysely);
      const edges = rows.slice(0, DATASET_API_LIMITS.lineageEdges);
      return { name, sha256, edges, isTruncated: rows.length > edges.length };
    },
  };
}

interface VersionRow {
  readonly name: string;
  readonly sha256: string;
  readonly size_bytes: number;
  readonly rows: number | null;
  readonly path: string;
  readonly created_at: Date;
  readonly created_text: string;
  readonly source: string | null;
  readonly format: string | null;
  readonly columns: DatasetColumn[] | null;
  readonly created_run_id: string | null;
  readonly created_attempt_id: string | null;
  readonly has_profile: boolean;
  readonly runs: DatasetVersionDetails['runs'];
}

function toDetails(row: VersionRow): DatasetVersionDetails {
  const { created_run_id: runId, created_attempt_id: attemptId } = row;
  return {
    name: row.name,
    sha256: row.sha256,
    sizeBytes: row.size_bytes,
    rows: row.rows,
    path: row.path,
    createdAt: row.created_at.toISOString(),
    runs: row.runs,
    source: row.source,
    format: row.format,
    columns: row.columns,
    createdBy: runId === null || attemptId === null ? null : { runId, attemptId },
    hasProfile: row.has_profile,
  };
}

function cursorOf({ created_text, name, sha256 }: VersionRow): string {
  return Buffer.from(JSON.stringify([created_text, name, sha256])).toString('base64url');
}

/** @throws TrainyardError INVALID_REQUEST for a cursor that was not made here */
function afterCursor(cursor: string): RawBuilder<unknown> {
  try {
    const [at, name, sha256] = JSON.parse(Buffer.from(cursor, 'base64url').toString('utf8')) as unknown[];
    if (
      typeof at === 'string' &&
      !Number.isNaN(Date.parse(at)) &&
      typeof name === 'string' &&
      typeof sha256 === 'string'
    ) {
      return sql`(v.created_at, v.name, v.sha256) < (${at}::timestamptz, ${name}, ${sha256})`;
    }
  } catch {
    // Told below.
  }
  throw new TrainyardError('INVALID_REQUEST', 'The cursor is none that this list has given.');
}

function jsonOrNull(value: unknown): string | null {
  return value === undefined ? null : jsonbText(value);
}

function notFound(name: string, version?: string): TrainyardError {
  const what = version === undefined ? `dataset "${name}"` : `version ${version} of dataset "${name}"`;
  return new TrainyardError('NOT_FOUND', `There is no ${what}.`);
}
