/** A column and its type in DuckDB's notation: BIGINT, VARCHAR[], STRUCT("a" BIGINT), … */
export interface Column {
  readonly name: string;
  readonly type: string;
}

/** Name as SQL has it. */
export function quotedName(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

export function quotedText(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}

/** @returns the first name that is there twice */
export function repeatedName(names: readonly string[]): string | undefined {
  const seen = new Set<string>();
  for (const name of names) {
    if (seen.has(name)) return name;
    seen.add(name);
  }
  return undefined;
}

/** SQL does not tell names apart that differ in case only. */
export function repeatedInSql(names: readonly string[]): string | undefined {
  const lower = names.map((name) => name.toLowerCase());
  const repeated = repeatedName(lower);
  return repeated === undefined ? undefined : names[lower.lastIndexOf(repeated)];
}
