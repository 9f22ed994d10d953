import { open } from 'node:fs/promises';
import { invalidData } from '../dataset-error.ts';
import { DATASET_LIMITS } from '../dataset-limits.ts';
import type { Row } from '../dataset-value.ts';
import { readCsvRecords } from './csv-records.ts';
import { type CsvLayout, type CsvOptions, checkCsvFields, readCsvLayout, readCsvRows } from './csv-rows.ts';
import { countRows, type FormatReader, once, sampleRows } from './format-reader.ts';
import { inferColumns } from './infer-type.ts';
import { type JsonOptions, readJsonRows } from './json-rows.ts';
import { readJsonlRows } from './jsonl-rows.ts';
import { withoutMark } from './read-blocks.ts';

export function csvReader(files: readonly string[], options: CsvOptions): FormatReader {
  const layouts = once(async (signal) => {
    const layout = await readCsvLayout(files[0]!, options, signal);
    for (const file of files.slice(1)) await checkSameColumns(layout, files[0]!, file, signal);
    return layout;
  });
  return {
    async schema(signal) {
      const { columns } = await layouts(signal);
      return { columns, sampledRows: options.types === 'text' ? null : DATASET_LIMITS.sampleRows };
    },
    async *batches(signal) {
      const layout = await layouts(signal);
      for (const file of files) yield* readCsvRows(file, layout, signal);
    },
    async count(signal) {
      const layout = await layouts(signal);
      let count = 0;
      for (const file of files) {
        const records = readCsvRecords(file, layout.delimiter, signal);
        for await (const batch of checkCsvFields(file, records, layout.columns.length)) {
          count += batch.records.length;
        }
      }
      return count;
    },
    async relation(signal) {
      const { columns, delimiter } = await layouts(signal);
      return { format: 'csv', paths: files, columns, delimiter };
    },
  };
}

export function jsonlReader(files: readonly string[]): FormatReader {
  return jsonReaderOf(files, readJsonlRows, async () => 'newline_delimited');
}

export function jsonReader(files: readonly string[], options: JsonOptions): FormatReader {
  return jsonReaderOf(files, (file, signal) => readJsonRows(file, options, signal), jsonLayout);
}

type JsonLayout = 'newline_delimited' | 'array' | 'unstructured';

function jsonReaderOf(
  files: readonly string[],
  read: (file: string, signal?: AbortSignal) => AsyncGenerator<Row[], void>,
  layoutOf: (files: readonly string[]) => Promise<JsonLayout>,
): FormatReader {
  async function* batches(signal?: AbortSignal): AsyncGenerator<Row[], void> {
    for (const file of files) yield* read(file, signal);
  }
  const schema = once(async (signal) => ({
    columns: inferColumns(await sampleRows(batches(signal))),
    sampledRows: DATASET_LIMITS.sampleRows,
  }));
  return {
    schema,
    batches,
    count: (signal) => countRows(batches(signal)),
    async relation(signal) {
      const { columns } = await schema(signal);
      return { format: 'json', paths: files, columns, layout: await layoutOf(files) };
    },
  };
}

/** Whether JSON files hold a list or objects one after the other. */
async function jsonLayout(files: readonly string[]): Promise<JsonLayout> {
  for (const file of files) {
    const handle = await open(file, 'r');
    try {
      const { buffer, bytesRead } = await handle.read(Buffer.alloc(4096), 0, 4096, 0);
      const text = withoutMark(buffer.subarray(0, bytesRead)).toString('latin1').trimStart();
      if (!text.startsWith('[')) return 'unstructured';
    } finally {
      await handle.close();
    }
  }
  return 'array';
}

async function checkSameColumns(
  first: CsvLayout,
  firstFile: string,
  file: string,
  signal?: AbortSignal,
): Promise<void> {
  const { columns } = await readCsvLayout(file, { delimiter: first.delimiter, types: 'text' }, signal);
  const names = (layout: { readonly columns: CsvLayout['columns'] }): string =>
    layout.columns.map(({ name }) => name).join(', ');
  if (names({ columns }) === names(first)) return;
  throw invalidData(file, `its columns are ${names({ columns })}, but ${firstFile} has ${names(first)}`);
}
