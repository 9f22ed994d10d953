import type { Client } from '@trainyard/client';
import type { WrittenColumn } from '@trainyard/datasets';
import { TrainyardError } from '@trainyard/protocol';
import { findExperiment, type MlflowApi } from './mlflow-api.ts';
import type { SourcePair } from './source-run.ts';

/** A run as it is written out. */
export interface ExportedRun {
  readonly info: {
    readonly run_id: string;
    readonly run_name: string;
    readonly status: string;
    readonly start_time?: number;
    readonly end_time?: number;
  };
  readonly data: {
    readonly params?: readonly SourcePair[];
    readonly tags?: readonly SourcePair[];
    readonly metrics?: readonly { readonly key: string; readonly value: number | string }[];
  };
}

type TextRow = Record<string, string | null>;
const PAGE = 1000;
const INFO = ['run_id', 'run_name', 'status', 'start_time', 'end_time'] as const;

export const POINT_COLUMNS: readonly WrittenColumn[] = [
  { name: 'run_id', type: 'VARCHAR' },
  { name: 'key', type: 'VARCHAR' },
  { name: 'step', type: 'BIGINT' },
  { name: 'time', type: 'DOUBLE' },
  { name: 'value', type: 'DOUBLE' },
];

/** @throws TrainyardError NOT_FOUND */
export async function experimentIdOf(api: MlflowApi, name: string): Promise<string> {
  const found = await findExperiment(api, name);
  if (found === undefined) throw new TrainyardError('NOT_FOUND', `There is no experiment "${name}".`);
  return found;
}

/** All runs that a filter lets through. */
export async function exportedRuns(
  api: MlflowApi,
  experimentId: string,
  filter: string,
): Promise<ExportedRun[]> {
  const runs: ExportedRun[] = [];
  for (let token: string | undefined; ; ) {
    const page = await api.call<{ runs?: readonly ExportedRun[]; next_page_token?: string }>(
      'POST',
      'runs/search',
      {
        experiment_ids: [experimentId],
        filter,
        max_results: PAGE,
        ...(token === undefined ? {} : { page_token: token }),
      },
    );
    runs.push(...(page.runs ?? []));
    token = page.next_page_token;
    if (token === undefined) return runs;
  }
}

/** A column for each param, metric and tag that any of the runs has. */
export function runColumns(runs: readonly ExportedRun[]): WrittenColumn[] {
  const named = (kind: 'params' | 'metrics' | 'tags', type: WrittenColumn['type']): WrittenColumn[] => {
    const keys = new Set(runs.flatMap(({ data }) => (data[kind] ?? []).map(({ key }) => key)));
    return [...keys].sort().map((key) => ({ name: `${kind}.${key}`, type }));
  };
  const info = INFO.map((name) => ({ name, type: name.endsWith('_time') ? 'BIGINT' : 'VARCHAR' }) as const);
  return [...info, ...named('params', 'VARCHAR'), ...named('metrics', 'DOUBLE'), ...named('tags', 'VARCHAR')];
}

export function runRow({ info, data }: ExportedRun): TextRow {
  const row: TextRow = {};
  for (const name of INFO) row[name] = info[name] === undefined ? null : String(info[name]);
  for (const kind of ['params', 'metrics', 'tags'] as const) {
    for (const { key, value } of data[kind] ?? []) row[`${kind}.${key}`] = String(value);
  }
  return row;
}

/** All points of the runs, one run after the other. */
export async function* runPoints(client: Client, runs: readonly ExportedRun[]): AsyncGenerator<TextRow> {
  for (const { info } of runs) {
    for (const [key, points] of Object.entries(await client.getMetrics(info.run_id))) {
      for (const { step, time, value } of points) {
        const text = {
          run_id: info.run_id,
          key,
          step: String(step),
          time: String(time),
          value: String(value),
        };
        yield text;
      }
    }
  }
}
