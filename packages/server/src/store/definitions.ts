import { createHash } from 'node:crypto';
import type { UsedPipeline } from '@trainyard/protocol';
import type { Kysely, Transaction } from 'kysely';
import { jsonbText } from './jsonb-text.ts';
import type { Schema } from './schema.ts';

export interface StoredDefinition {
  /** What is read again after a restart: it needs nothing from elsewhere. */
  readonly source: string;
  /** For display. */
  readonly definition: unknown;
  /** What was written, where other pipelines were put into it. */
  readonly written?: string | undefined;
  readonly uses?: readonly UsedPipeline[] | undefined;
}

/** From so many characters on it is worth asking before the whole is sent and parsed once more. */
const LARGE = 64 * 1024;

/** Stores a definition, each content once. Returns its SHA-256. */
export async function insertDefinition(
  db: Kysely<Schema> | Transaction<Schema>,
  { source, definition, written, uses = [] }: StoredDefinition,
): Promise<string> {
  const content = written === undefined ? source : JSON.stringify([written, source]);
  const sha256 = createHash('sha256').update(content).digest('hex');
  if (content.length > LARGE && (await isStored(db, sha256))) return sha256;
  await db
    .insertInto('definitions')
    .values({
      sha256,
      definition: jsonbText(definition),
      source,
      written: written ?? null,
      uses: uses.length === 0 ? null : jsonbText(uses),
    })
    .onConflict((conflict) => conflict.column('sha256').doNothing())
    .execute();
  return sha256;
}

async function isStored(db: Kysely<Schema> | Transaction<Schema>, sha256: string): Promise<boolean> {
  const found = await db
    .selectFrom('definitions')
    .select('sha256')
    .where('sha256', '=', sha256)
    .executeTakeFirst();
  return found !== undefined;
}
