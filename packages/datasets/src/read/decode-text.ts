import { isUtf8 } from 'node:buffer';
import { invalidData } from '../dataset-error.ts';

/** @throws TrainyardError DATASET_INVALID naming the line, when the bytes are not UTF-8 */
export function decodeText(bytes: Buffer, path: string, firstLine: number): string {
  if (isUtf8(bytes)) return bytes.toString('utf8');
  let line = firstLine;
  for (let start = 0; start < bytes.length; line += 1) {
    const newline = bytes.indexOf(10, start);
    const end = newline === -1 ? bytes.length : newline;
    if (!isUtf8(bytes.subarray(start, end))) break;
    start = end + 1;
  }
  throw invalidData(path, `line ${line} is not UTF-8 text`);
}
