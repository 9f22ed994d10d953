import { extname } from 'node:path';

const TEXT = 'text/plain; charset=utf-8';
/** What programs of this trade write; anything else is bytes. */
const TYPES: Readonly<Record<string, string>> = {
  '.bmp': 'image/bmp',
  '.csv': 'text/csv; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.gif': 'image/gif',
  '.gz': 'application/gzip',
  '.htm': 'text/html; charset=utf-8',
  '.html': 'text/html; charset=utf-8',
  '.jpeg': 'image/jpeg',
  '.jpg': 'image/jpeg',
  '.js': 'text/javascript; charset=utf-8',
  '.json': 'application/json',
  '.jsonl': 'application/x-ndjson',
  '.log': TEXT,
  '.md': 'text/markdown; charset=utf-8',
  '.mp3': 'audio/mpeg',
  '.mp4': 'video/mp4',
  '.parquet': 'application/vnd.apache.parquet',
  '.pdf': 'application/pdf',
  '.png': 'image/png',
  '.py': TEXT,
  '.svg': 'image/svg+xml',
  '.tar': 'application/x-tar',
  '.toml': TEXT,
  '.ts': TEXT,
  '.tsv': 'text/tab-separated-values; charset=utf-8',
  '.txt': TEXT,
  '.wav': 'audio/wav',
  '.webp': 'image/webp',
  '.xml': 'application/xml',
  '.yaml': TEXT,
  '.yml': TEXT,
  '.zip': 'application/zip',
};
const BYTES = 'application/octet-stream';
/** MLflow describes a model by a file without an end. */
const NAMES: Readonly<Record<string, string>> = { mlmodel: TEXT, mlproject: TEXT };

/** The media type that the end of a path stands for. */
export function contentTypeOf(path: string): string {
  const name = path.slice(path.lastIndexOf('/') + 1).toLowerCase();
  return NAMES[name] ?? TYPES[extname(name)] ?? BYTES;
}
