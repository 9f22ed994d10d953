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

/** Stores a definition, each content once. Returns its SHA-256. */
export async function insertDefinition(
  db: Kysely<Schema> | Transaction<Schema>,
  { source, definition, written, uses = [] }: StoredDefinition,
): Promise<string> {
  const content = written === undefined ? source : JSON.stringify([written, source]);
  const sha256 = createHash('sha256').update(content).digest('hex');
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
