import { SECRET_LIMITS, type SecretInfo, TrainyardError } from '@trainyard/protocol';
import { sql } from 'kysely';
import type { SecretBox } from '../auth/secret-box.ts';
import type { Database } from './database.ts';

/** Secrets for jobs. What is stored can be opened with the key of this installation only. */
export interface SecretStore {
  /** True when the name is new. @throws TrainyardError CONFLICT when there are too many */
  put(name: string, value: string): Promise<boolean>;
  list(): Promise<SecretInfo[]>;
  /** False when there is none of that name. */
  remove(name: string): Promise<boolean>;
  /** @throws TrainyardError SECRET_MISSING naming those of the names that do not exist */
  require(neededBy: ReadonlyMap<string, string>): Promise<void>;
  /** @throws TrainyardError SECRET_MISSING naming those that do not exist, or were sealed with another key */
  open(names: readonly string[]): Promise<Record<string, string>>;
}

export function createSecretStore({ kysely }: Database, box: SecretBox): SecretStore {
  const read = (names: readonly string[]) =>
    kysely
      .selectFrom('secrets')
      .select(['name', 'sealed', 'key_id'])
      .where('name', '=', sql<string>`any(${names}::text[])`)
      .execute();
  return {
    async put(name, value) {
      const sealed = box.seal(Buffer.from(value, 'utf8'), placeOf(name));
      // Two at once may pass the limit by one, which harms nobody.
      const { rows } = await sql<{ is_new: boolean }>`
        insert into secrets (name, sealed, key_id)
        select ${name}, ${sealed}, ${box.keyId}
        where (select count(*) from secrets where name <> ${name}) < ${SECRET_LIMITS.secrets}
        on conflict (name) do update
          set sealed = excluded.sealed, key_id = excluded.key_id, updated_at = now()
        returning created_at = updated_at as is_new`.execute(kysely);
      if (rows[0] !== undefined) return rows[0].is_new;
      throw new TrainyardError(
        'CONFLICT',
        `There are ${SECRET_LIMITS.secrets} secrets already; remove one first: trainyard secrets remove NAME`,
      );
    },
    async list() {
      const rows = await kysely
        .selectFrom('secrets')
        .select(['name', 'created_at', 'updated_at'])
        .orderBy('name')
        .execute();
      return rows.map(({ name, created_at, updated_at }) => ({
        name,
        createdAt: created_at.toISOString(),
        updatedAt: updated_at.toISOString(),
      }));
    },
    async remove(name) {
      const { numDeletedRows } = await kysely
        .deleteFrom('secrets')
        .where('name', '=', name)
        .executeTakeFirst();
      return numDeletedRows > 0n;
    },
    async require(neededBy) {
      if (neededBy.size === 0) return;
      const known = new Set((await read([...neededBy.keys()])).map(({ name }) => name));
      const missing = [...neededBy].filter(([name]) => !known.has(name));
      if (missing.length === 0) return;
      const words = missing.map(([name, stage]) => `stage "${stage}" needs the secret "${name}"`);
      throw missingError(words.join('; '), missing[0]![0]);
    },
    async open(names) {
      const rows = new Map((await read(names)).map((row) => [row.name, row]));
      const values = names.map((name): [string, string] => {
        const row = rows.get(name);
        if (row === undefined) throw missingError(`the secret "${name}" does not exist any more`, name);
        if (row.key_id !== box.keyId) {
          throw missingError(`the secret "${name}" was stored with another key than this server has`, name);
        }
        return [name, box.open(row.sealed, placeOf(name)).toString('utf8')];
      });
      return Object.fromEntries(values);
    },
  };
}

function placeOf(name: string): string {
  return `secret ${name}`;
}

function missingError(found: string, name: string): TrainyardError {
  return new TrainyardError(
    'SECRET_MISSING',
    `${found}. Store it first: trainyard secrets set ${name}`.replace(/^./, (first) => first.toUpperCase()),
  );
}
