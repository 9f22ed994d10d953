import type { Client } from '@trainyard/client';
import { uploadFile } from '../commands/put-artifacts.ts';
import { findExperiment, type MlflowApi } from './mlflow-api.ts';
import type { SourcePair, SourceRun } from './source-run.ts';

/** What it was imported from; a second import finds it by this. */
const SOURCE_TAG = 'trainyard.importedFrom';
/** All of it is here. */
const DONE_TAG = 'trainyard.importedAt';
const PARAMS_PER_CALL = 100;
const TAGS_PER_CALL = 100;
/** The server cuts longer values, as MLflow does. */
const LONGEST_PARAM = 6000;
const LONGEST_TAG = 8000;

export interface ImportedRun {
  readonly id: string;
  /** `present`: an earlier import has brought it. */
  readonly outcome: 'imported' | 'present';
  readonly points: number;
  readonly files: number;
  /** What was lost on the way. */
  readonly notes: readonly string[];
}

interface FoundRun {
  readonly info: { readonly run_id: string };
  readonly data?: { readonly tags?: readonly SourcePair[] };
}

/**
 * Brings a run in. One whose import broke off is gone on with: what is there already is not stored again.
 * @throws TrainyardError when the server refuses something of it; what came before stays, for the next try
 */
export async function importRun(api: MlflowApi, client: Client, source: SourceRun): Promise<ImportedRun> {
  const experimentId = await experimentOf(api, source.experiment);
  const found = await findRun(api, experimentId, source.sourceId);
  if (found?.data?.tags?.some(({ key }) => key === DONE_TAG)) {
    return { id: found.info.run_id, outcome: 'present', points: 0, files: 0, notes: [] };
  }
  const id = found?.info.run_id ?? (await createRun(api, experimentId, source));
  const log = (body: object) => api.call('POST', 'runs/log-batch', { run_id: id, ...body });
  for (const params of slices(source.params, PARAMS_PER_CALL)) await log({ params });
  for (const tags of slices(source.tags.filter(isImportable), TAGS_PER_CALL)) await log({ tags });
  let points = 0;
  for await (const piece of source.points()) {
    const metrics = piece.map(({ key, value, step, time }) => ({
      key,
      value: Number.isFinite(value) ? value : String(value),
      step,
      timestamp: time,
    }));
    await log({ metrics });
    points += piece.length;
  }
  for (const file of source.files) await uploadFile(client, id, file);
  await api.call('POST', 'runs/update', {
    run_id: id,
    status: source.status,
    ...(source.endMs === undefined ? {} : { end_time: source.endMs }),
  });
  await log({ tags: [{ key: DONE_TAG, value: new Date().toISOString() }] });
  return { id, outcome: 'imported', points, files: source.files.length, notes: cutValues(source) };
}

async function experimentOf(api: MlflowApi, name: string): Promise<string> {
  const found = await findExperiment(api, name);
  if (found !== undefined) return found;
  const made = await api.call<{ experiment_id: string }>('POST', 'experiments/create', { name });
  return made.experiment_id;
}

async function findRun(
  api: MlflowApi,
  experimentId: string,
  sourceId: string,
): Promise<FoundRun | undefined> {
  const found = await api.call<{ runs?: readonly FoundRun[] }>('POST', 'runs/search', {
    experiment_ids: [experimentId],
    filter: `tags."${SOURCE_TAG}" = '${sourceId.replaceAll("'", "''")}'`,
    run_view_type: 'ALL',
    max_results: 1,
  });
  return found.runs?.[0];
}

async function createRun(api: MlflowApi, experimentId: string, source: SourceRun): Promise<string> {
  const user = source.tags.find(({ key }) => key === 'mlflow.user');
  const made = await api.call<{ run: FoundRun }>('POST', 'runs/create', {
    experiment_id: experimentId,
    run_name: source.name,
    start_time: source.startMs ?? Date.now(),
    tags: [{ key: SOURCE_TAG, value: source.sourceId }, ...(user === undefined ? [] : [user])],
  });
  return made.run.info.run_id;
}

function cutValues({ params, tags }: SourceRun): string[] {
  const cut = (kind: string, pairs: readonly SourcePair[], longest: number): string[] =>
    pairs
      .filter(({ value }) => value.length > longest)
      .map(
        ({ key, value }) => `the ${kind} ${key} has ${value.length} characters, and was cut to ${longest}`,
      );
  return [...cut('param', params, LONGEST_PARAM), ...cut('tag', tags, LONGEST_TAG)];
}

/** The name was given when the run was made. */
function isImportable({ key }: SourcePair): boolean {
  return key !== 'mlflow.runName';
}

function* slices<T>(items: readonly T[], size: number): Generator<readonly T[]> {
  for (let first = 0; first < items.length; first += size) yield items.slice(first, first + size);
}
