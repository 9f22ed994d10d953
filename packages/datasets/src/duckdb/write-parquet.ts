import { loadDuckDb } from './engine.ts';

/** A column of a table that is written: texts as they are, numbers as doubles, NaN and infinities among them. */
export interface WrittenColumn {
  readonly name: string;
  readonly type: 'VARCHAR' | 'DOUBLE' | 'BIGINT';
}

/**
 * Writes a file of JSON lines, whose values are texts or null, as Parquet. The file that is made must not exist.
 * @throws TrainyardError DATASET_ENGINE_MISSING
 */
export async function writeParquet(
  jsonLines: string,
  columns: readonly WrittenColumn[],
  out: string,
): Promise<void> {
  const { DuckDBInstance } = await loadDuckDb();
  const instance = await DuckDBInstance.create(':memory:');
  const connection = await instance.connect();
  try {
    const texts = columns.map(({ name }) => `${quoted(name)}: 'VARCHAR'`).join(', ');
    const typed = columns
      .map(({ name, type }) => `cast(${named(name)} as ${type}) as ${named(name)}`)
      .join(', ');
    await connection.run(
      `copy (select ${typed} from read_json(${quoted(jsonLines)}, format = 'newline_delimited', columns = {${texts}}, maximum_object_size = 268435456))
       to ${quoted(out)} (format parquet, compression zstd)`,
    );
  } finally {
    connection.closeSync();
    instance.closeSync();
  }
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}

function named(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}
