import { invalidData, messageOf } from '../dataset-error.ts';
import type { DatasetValue, Row } from '../dataset-value.ts';
import { decodeText } from './decode-text.ts';
import { isTooDeep, parseJson } from './parse-json.ts';
import { readLineBlocks } from './read-blocks.ts';

/**
 * Rows of a file with one JSON object a line, in batches. Blank lines are left out.
 * @throws TrainyardError DATASET_INVALID naming the line
 */
export async function* readJsonlRows(path: string, signal?: AbortSignal): AsyncGenerator<Row[], void> {
  let line = 1;
  for await (const block of readLineBlocks(path, signal)) {
    const text = decodeText(block, path, line);
    const rows: Row[] = [];
    for (let at = 0; at < text.length; line += 1) {
      const newline = text.indexOf('\n', at);
      const end = newline === -1 ? text.length : newline;
      const source = text.slice(at, end);
      at = end + 1;
      if (source.trim() !== '') rows.push(readJsonRow(source, path, () => `line ${line}`));
    }
    if (rows.length > 0) yield rows;
  }
}

/** @throws TrainyardError DATASET_INVALID for what is no JSON object */
export function readJsonRow(source: string, path: string, where: () => string): Row {
  let value: DatasetValue;
  try {
    value = parseJson(source);
  } catch (error) {
    throw invalidData(path, `${where()} is not JSON: ${messageOf(error)}`, error);
  }
  if (!isRow(value)) throw invalidData(path, `${where()} is not a JSON object`);
  if (isTooDeep(value)) throw invalidData(path, `${where()} is nested too deeply`);
  return value;
}

function isRow(value: DatasetValue): value is Row {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
