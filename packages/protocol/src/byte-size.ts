/** Reads a size such as `512M`, `4 GiB` or a plain number of bytes; `undefined` when it is none. */
export function parseByteSize(value: string | number): number | undefined {
  const found = /^(\d+(?:\.\d+)?)\s*([kmgt]?)(?:i?b)?$/i.exec(String(value).trim());
  if (found === null) return undefined;
  const bytes = Math.round(Number(found[1]) * 1024 ** ' kmgt'.indexOf((found[2] || ' ').toLowerCase()));
  return Number.isSafeInteger(bytes) && bytes >= 1 ? bytes : undefined;
}
