import { createReadStream } from 'node:fs';
import { readdir, readFile, realpath } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { createInterface } from 'node:readline';
import { TrainyardError } from '@trainyard/protocol';
import { parse } from 'yaml';
import type { SourcePair, SourcePoint, SourceRun } from './source-run.ts';

const POINTS_PER_PIECE = 1000;
/** As MLflow numbers them in its files. */
const STATUSES: Readonly<Record<string, SourceRun['status']>> = {
  1: 'RUNNING',
  2: 'SCHEDULED',
  3: 'FINISHED',
  4: 'FAILED',
  5: 'KILLED',
};

/**
 * The runs of a directory `mlruns`, as MLflow's file store writes it: EXPERIMENT/meta.yaml, EXPERIMENT/RUN/meta.yaml,
 * params/KEY, tags/KEY, metrics/KEY with lines `time value step`, artifacts/. Deleted ones are left out.
 * @throws TrainyardError USAGE when there is no experiment
 */
export async function* mlrunsRuns(dir: string, experiment: string | undefined): AsyncGenerator<SourceRun> {
  const root = await realpath(dir).catch(() => undefined);
  if (root === undefined) throw new TrainyardError('USAGE', `There is no directory ${dir}.`);
  let found = 0;
  for (const id of await foldersIn(root)) {
    const about = await metaOf(join(root, id));
    if (about === undefined || about['lifecycle_stage'] === 'deleted') continue;
    found += 1;
    for (const runId of await foldersIn(join(root, id))) {
      const path = join(root, id, runId);
      const meta = await metaOf(path);
      if (meta === undefined || meta['lifecycle_stage'] === 'deleted' || meta['run_id'] === undefined)
        continue;
      yield await readRun(path, meta, experiment ?? String(about['name'] ?? id));
    }
  }
  if (found === 0) {
    throw new TrainyardError(
      'USAGE',
      `${dir} is no directory of MLflow's file store: no folder in it has a meta.yaml.`,
    );
  }
}

async function readRun(
  path: string,
  meta: Readonly<Record<string, unknown>>,
  experiment: string,
): Promise<SourceRun> {
  const id = String(meta['run_id']);
  const tags = await pairsIn(join(path, 'tags'));
  const notes: string[] = [];
  return {
    sourceId: `mlflow:${id}`,
    experiment,
    name: String(meta['run_name'] ?? tags.find(({ key }) => key === 'mlflow.runName')?.value ?? id),
    status: STATUSES[String(meta['status'])] ?? 'FINISHED',
    startMs: numberOf(meta['start_time']),
    endMs: numberOf(meta['end_time']),
    params: await pairsIn(join(path, 'params')),
    tags,
    points: () => pointsIn(join(path, 'metrics'), notes),
    files: (await filesBelow(join(path, 'artifacts'))).map((file) => ({
      file,
      path: relative(join(path, 'artifacts'), file),
    })),
    notes,
  };
}

async function* pointsIn(dir: string, notes: string[]): AsyncGenerator<SourcePoint[]> {
  for (const file of await filesBelow(dir)) {
    const key = relative(dir, file);
    let piece: SourcePoint[] = [];
    let number = 0;
    for await (const line of createInterface({ input: createReadStream(file), crlfDelay: Infinity })) {
      number += 1;
      if (line.trim() === '') continue;
      const point = pointOf(key, line);
      if (point === undefined) {
        notes.push(`metrics/${key}, line ${number} is no point: ${line.slice(0, 100)}`);
        continue;
      }
      piece.push(point);
      if (piece.length < POINTS_PER_PIECE) continue;
      yield piece;
      piece = [];
    }
    if (piece.length > 0) yield piece;
  }
}

const SPECIAL: Readonly<Record<string, number>> = {
  nan: NaN,
  inf: Infinity,
  '+inf': Infinity,
  '-inf': -Infinity,
};

function pointOf(key: string, line: string): SourcePoint | undefined {
  const [time = '', text = '', step = '0', ...more] = line.trim().split(/\s+/);
  const value = SPECIAL[text.toLowerCase()] ?? Number(text);
  const isNumber = text !== '' && (!Number.isNaN(value) || text.toLowerCase() === 'nan');
  // Newer versions add the name and digest of a dataset.
  if (!/^\d+$/.test(time) || !isNumber || !/^-?\d+$/.test(step) || more.length > 2) return undefined;
  return { key, value, step: Number(step), time: Number(time) };
}

async function pairsIn(dir: string): Promise<SourcePair[]> {
  const files = await filesBelow(dir);
  return Promise.all(
    files.map(async (file) => ({ key: relative(dir, file), value: await readFile(file, 'utf8') })),
  );
}

async function metaOf(dir: string): Promise<Record<string, unknown> | undefined> {
  const text = await readFile(join(dir, 'meta.yaml'), 'utf8').catch(() => undefined);
  if (text === undefined) return undefined;
  try {
    const meta: unknown = parse(text);
    return typeof meta === 'object' && meta !== null ? (meta as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}

async function foldersIn(dir: string): Promise<string[]> {
  const entries = await readdir(dir, { withFileTypes: true }).catch(() => []);
  return entries
    .filter((each) => each.isDirectory())
    .map(({ name }) => name)
    .sort();
}

async function filesBelow(dir: string): Promise<string[]> {
  const entries = await readdir(dir, { withFileTypes: true }).catch(() => []);
  const found = await Promise.all(
    entries.map((entry) => {
      const path = join(dir, entry.name);
      if (entry.isDirectory()) return filesBelow(path);
      return entry.isFile() ? [path] : [];
    }),
  );
  return found.flat().sort();
}

function numberOf(value: unknown): number | undefined {
  return typeof value === 'number' && Number.isFinite(value) ? value : undefined;
}
