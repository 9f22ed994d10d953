import { existsSync } from 'node:fs';
import type { Dataset } from '@trainyard/datasets';
import { TrainyardError } from '@trainyard/protocol';

/** How a dataset that is read here, and not by a server, is to be read. */
export interface LocalOptions {
  readonly split?: string;
  readonly format?: string;
  readonly delimiter?: string;
  readonly text?: boolean;
  readonly cacheDir?: string;
  /** True for the option without hosts. */
  readonly allowPrivateHosts?: true | readonly string[];
}

/** A version on the server, as it is written on the command line. */
export interface VersionRef {
  readonly name: string;
  readonly version: string;
}

const FORMATS = ['csv', 'json', 'jsonl', 'parquet'] as const;
const LOOKS_LIKE_A_FILE = /^[a-z][a-z0-9+.-]*:\/\/|^[./~]|\.(?:csv|json|jsonl|parquet)$/i;

/** Whether a source is read here: a URL, a path, or anything that is there. */
export function isLocalSource(source: string): boolean {
  return LOOKS_LIKE_A_FILE.test(source) || existsSync(source);
}

export function versionRef(text: string): VersionRef {
  const at = text.lastIndexOf('@');
  if (at <= 0) return { name: text, version: 'latest' };
  return { name: text.slice(0, at), version: text.slice(at + 1) };
}

/** Opens a dataset, and removes what was written to read it when `use` has ended. */
export async function withDataset<T>(
  source: string,
  options: LocalOptions,
  use: (dataset: Dataset) => Promise<T>,
): Promise<T> {
  const { openDataset } = await import('@trainyard/datasets');
  const { allowPrivateHosts } = options;
  const dataset = await openDataset(source, {
    split: options.split,
    format: formatOf(options.format),
    csv: {
      delimiter: delimiterOf(options.delimiter),
      types: options.text === true ? 'text' : 'infer',
    },
    fetch: {
      cacheDir: options.cacheDir,
      privateHosts: allowPrivateHosts === true ? 'all' : (allowPrivateHosts ?? []),
    },
  });
  try {
    return await use(dataset);
  } finally {
    await dataset.close();
  }
}

function formatOf(text: string | undefined): (typeof FORMATS)[number] | undefined {
  if (text === undefined) return undefined;
  const format = FORMATS.find((known) => known === text.toLowerCase());
  if (format !== undefined) return format;
  throw new TrainyardError('USAGE', `--format is one of ${FORMATS.join(', ')}, not "${text}".`);
}

function delimiterOf(text: string | undefined): string | undefined {
  const character = text === '\\t' || text === 'tab' ? '\t' : text;
  if (character === undefined || (character.length === 1 && !/["\r\n]/.test(character))) return character;
  throw new TrainyardError('USAGE', `--delimiter is one character, not ${JSON.stringify(text)}.`);
}
