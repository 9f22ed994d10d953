import { TrainyardError } from '@trainyard/protocol/plain';
import type { Column } from '../column.ts';
import { quotedText, repeatedInSql } from '../column.ts';
import { QUERY_LIMITS } from '../dataset-limits.ts';

/** Files with what DuckDB has to know to read them as we do. */
export type Relation =
  | { readonly format: 'parquet'; readonly paths: readonly string[] }
  | {
      readonly format: 'csv';
      readonly paths: readonly string[];
      readonly columns: readonly Column[];
      readonly delimiter: string;
    }
  | {
      readonly format: 'json';
      readonly paths: readonly string[];
      readonly columns: readonly Column[];
      readonly layout: 'newline_delimited' | 'array' | 'unstructured';
      /** Columns whose type the reader of JSON does not give; they are cast. */
      readonly casts?: readonly Column[];
    };

/**
 * The table function that reads a dataset as rows() does: names, types and what is null are given, nothing is
 * guessed.
 * @throws TrainyardError QUERY_INVALID for columns that SQL cannot tell apart
 */
export function relationSql(relation: Relation): string {
  const paths = `[${relation.paths.map(quotedText).join(', ')}]`;
  if (relation.format === 'parquet')
    return `read_parquet(${paths}, union_by_name = true, hive_partitioning = false)`;
  const columns = columnMap(relation.columns);
  if (relation.format === 'json') {
    return `read_json(${paths}, format = ${quotedText(relation.layout)}, columns = ${columns}, ignore_errors = false, hive_partitioning = false, maximum_object_size = ${QUERY_LIMITS.jsonRowBytes})`;
  }
  const options = {
    columns,
    auto_detect: 'false',
    header: 'true',
    delim: quotedText(relation.delimiter),
    quote: `'"'`,
    escape: `'"'`,
    nullstr: `''`,
    allow_quoted_nulls: 'false',
    strict_mode: 'true',
    null_padding: 'false',
    ignore_errors: 'false',
    hive_partitioning: 'false',
    max_line_size: String(QUERY_LIMITS.csvLineBytes),
  };
  return `read_csv(${paths}, ${Object.entries(options)
    .map(([name, value]) => `${name} = ${value}`)
    .join(', ')})`;
}

function columnMap(columns: readonly Column[]): string {
  const repeated = repeatedInSql(columns.map(({ name }) => name));
  if (repeated !== undefined) {
    throw new TrainyardError(
      'QUERY_INVALID',
      `The dataset has two columns "${repeated}" that differ in case only; SQL cannot tell them apart.`,
    );
  }
  return `{${columns.map(({ name, type }) => `${quotedText(name)}: ${quotedText(type)}`).join(', ')}}`;
}
