import { realpathSync } from 'node:fs';
import pg from 'pg';
import { DATABASE_NAME, DATABASE_USER, OWNER_SETTING } from './settings.ts';

/** What answers on a socket: nothing, a server that starts or stops, or one that serves a directory. */
export type PostmasterAnswer =
  | { readonly kind: 'silent' }
  | { readonly kind: 'starting or stopping' }
  | { readonly kind: 'serving'; readonly dataDirectory: string; readonly ownerId: string | undefined };

const ANSWER_TIMEOUT_MS = 5_000;

/** SQLSTATE classes of a server that is there but does not serve: cannot_connect_now, shutdowns, too many. */
const PRESENT_STATES = new Set(['57P01', '57P02', '57P03', '53300']);

/** Connects and asks the server for its data directory, the only sure sign of whose server it is. */
export async function askPostmaster(socketDirectory: string, port: number): Promise<PostmasterAnswer> {
  const client = new pg.Client({
    host: socketDirectory,
    port,
    user: DATABASE_USER,
    database: DATABASE_NAME,
    connectionTimeoutMillis: ANSWER_TIMEOUT_MS,
    query_timeout: ANSWER_TIMEOUT_MS,
  });
  client.on('error', () => {});
  try {
    await client.connect();
    const { rows } = await client.query<{ directory: string; owner: string | null }>(
      `select current_setting('data_directory') as directory, current_setting('${OWNER_SETTING}', true) as owner`,
    );
    const row = rows[0];
    if (row === undefined) return { kind: 'silent' };
    return {
      kind: 'serving',
      dataDirectory: realpathSync(row.directory),
      ownerId: row.owner === null || row.owner === '' ? undefined : row.owner,
    };
  } catch (error) {
    const code = (error as { code?: string }).code ?? '';
    return PRESENT_STATES.has(code) ? { kind: 'starting or stopping' } : { kind: 'silent' };
  } finally {
    await client.end().catch(() => {});
  }
}
