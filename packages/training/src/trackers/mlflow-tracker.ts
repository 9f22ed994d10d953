import { readFile, stat } from 'node:fs/promises';
import { userInfo } from 'node:os';
import { basename } from 'node:path';
import type { LevelStatus } from '../lifecycle/level.ts';
import { basic, HttpRefused, JsonHttp, type Patience } from './json-http.ts';
import { flatParams } from './param-text.ts';
import type { MetricRecord, Tracker } from './tracker.ts';

export interface MlflowTrackerOptions {
  /** Address of the server; MLFLOW_TRACKING_URI if left out. */
  readonly trackingUri?: string;
  /** Name of the experiment, which is made if it is not there; MLFLOW_EXPERIMENT_NAME, else `Default`. */
  readonly experiment?: string;
  /** The server makes one up if left out; MLFLOW_RUN_NAME. */
  readonly runName?: string;
  /** A run that is there already and goes on; MLFLOW_RUN_ID. */
  readonly runId?: string;
  /** The run that this one is nested in. */
  readonly parentRunId?: string;
  readonly tags?: Readonly<Record<string, string>>;
  readonly patience?: Patience;
  readonly env?: Readonly<Record<string, string | undefined>>;
}

/** Also takes files. */
export interface MlflowTracker extends Tracker {
  /** Of the run, once it has begun. */
  readonly runId: string | undefined;
  /** Stores a file with the run, below `directory` of its artifacts. @throws what the server refuses it with */
  addArtifact(path: string, directory?: string): Promise<void>;
}

const API = '/api/2.0/mlflow';
const ARTIFACTS = '/api/2.0/mlflow-artifacts/artifacts';
/** Limits of the API (mlflow/utils/validation.py). */
const MAX_METRICS = 1000;
const MAX_PARAMS = 100;
const MAX_PARAM_CHARACTERS = 6000;
const MAX_TAG_CHARACTERS = 5000;
const MAX_KEY_CHARACTERS = 250;
/** Shorter than what a queue waits for one call. */
const PATIENCE: Patience = { timeoutMs: 15_000, retryMs: 14_000 };

const STATUS: Readonly<Record<LevelStatus, string>> = {
  completed: 'FINISHED',
  stopped: 'FINISHED',
  failed: 'FAILED',
  cancelled: 'KILLED',
};

/**
 * Records a run in a server of MLflow, or in any that speaks its REST API, such as Trainyard's: params, metrics with
 * their steps, and how the run has ended. Metrics of batches are `batch/NAME`, the parts of a value `NAME/PART`; params
 * of a mapping within one are `outer.inner`. What the API does not allow in a name becomes `_`.
 * MLFLOW_TRACKING_TOKEN, or MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, say who it is.
 * @throws RangeError when there is no address
 */
export function mlflowTracker(options: MlflowTrackerOptions = {}): MlflowTracker {
  const env = options.env ?? process.env;
  const address = options.trackingUri ?? env['MLFLOW_TRACKING_URI'] ?? '';
  if (address === '')
    throw new RangeError('mlflowTracker needs the address of a server: trackingUri, or MLFLOW_TRACKING_URI.');
  const server = new JsonHttp(address, authorization(env), options.patience ?? PATIENCE);
  return new MlflowRun(server, { ...options, env });
}

class MlflowRun implements MlflowTracker {
  readonly name = 'mlflow';
  readonly joinsValues = MAX_METRICS;
  readonly #server: JsonHttp;
  readonly #options: MlflowTrackerOptions;
  #runId: string | undefined;
  #isOpen = false;
  #startedAtMs = Date.now();

  constructor(server: JsonHttp, options: MlflowTrackerOptions) {
    this.#server = server;
    this.#options = options;
    this.#runId = options.runId ?? options.env?.['MLFLOW_RUN_ID'];
  }

  get runId(): string | undefined {
    return this.#runId;
  }

  async onStart({ kind, startedAtMs }: Parameters<NonNullable<Tracker['onStart']>>[0]): Promise<void> {
    if (kind !== 'run') return;
    this.#startedAtMs = startedAtMs;
    await this.#open();
  }

  async logParams(params: Readonly<Record<string, unknown>>): Promise<void> {
    const flat = Object.entries(flatParams(params)).map(([name, value]) => ({
      key: keyOf(name),
      value: String(value).slice(0, MAX_PARAM_CHARACTERS),
    }));
    for (const some of chunks(flat, MAX_PARAMS)) await this.#log({ params: some });
  }

  async track(records: readonly MetricRecord[]): Promise<void> {
    for (const some of chunks(records.flatMap(metricsOf), MAX_METRICS)) await this.#log({ metrics: some });
  }

  async onEnd(...[{ kind }, end]: Parameters<NonNullable<Tracker['onEnd']>>): Promise<void> {
    if (kind !== 'run') return;
    const why = end.error === undefined ? end.reason : `${end.error.type}: ${end.error.message}`;
    if (why !== undefined)
      await this.#log({ tags: [{ key: 'trainyard.reason', value: why.slice(0, MAX_TAG_CHARACTERS) }] });
    await this.#open();
    await this.#update(STATUS[end.status], end.endedAtMs);
  }

  async addArtifact(path: string, directory = ''): Promise<void> {
    await this.#open();
    const { run } = await this.#server.get<{ run: { info: { artifact_uri: string } } }>(`${API}/runs/get`, {
      run_id: this.#runId!,
    });
    const root = /^mlflow-artifacts:\/*(.*)$/.exec(run.info.artifact_uri)?.[1];
    if (root === undefined)
      throw new Error(`The server keeps artifacts at ${run.info.artifact_uri}, where it takes none by HTTP.`);
    if (!(await stat(path)).isFile()) throw new Error(`${path} is no file.`);
    const place = [root, directory, basename(path)].filter((part) => part !== '').join('/');
    await this.#server.put(
      `${ARTIFACTS}/${place.split('/').map(encodeURIComponent).join('/')}`,
      await bytesOf(path),
    );
  }

  async #log(values: object): Promise<void> {
    await this.#open();
    await this.#server.post(`${API}/runs/log-batch`, { run_id: this.#runId, ...values });
  }

  /** Also behind a beginning that no server has heard: the run is made once there is one. */
  async #open(): Promise<void> {
    if (this.#isOpen) return;
    if (this.#runId === undefined) await this.#create();
    else await this.#update('RUNNING');
    this.#isOpen = true;
  }

  async #create(): Promise<void> {
    const runName = this.#options.runName ?? this.#options.env?.['MLFLOW_RUN_NAME'];
    const { run } = await this.#server.post<{ run: { info: { run_id: string } } }>(`${API}/runs/create`, {
      experiment_id: await this.#experimentId(),
      start_time: this.#startedAtMs,
      tags: this.#tags(),
      ...(runName !== undefined && { run_name: runName }),
    });
    this.#runId = run.info.run_id;
  }

  async #update(status: string, endTime?: number): Promise<void> {
    const ended = endTime === undefined ? {} : { end_time: endTime };
    await this.#server.post(`${API}/runs/update`, { run_id: this.#runId, status, ...ended });
  }

  async #experimentId(): Promise<string> {
    const name = this.#options.experiment ?? this.#options.env?.['MLFLOW_EXPERIMENT_NAME'] ?? 'Default';
    const found = await this.#foundExperiment(name);
    if (found !== undefined) return found;
    try {
      const made = await this.#server.post<{ experiment_id: string }>(`${API}/experiments/create`, { name });
      return made.experiment_id;
    } catch (error) {
      // Another program has made it meanwhile.
      const isThere = error instanceof HttpRefused && error.code === 'RESOURCE_ALREADY_EXISTS';
      const made = isThere ? await this.#foundExperiment(name) : undefined;
      if (made === undefined) throw error;
      return made;
    }
  }

  async #foundExperiment(name: string): Promise<string | undefined> {
    try {
      const { experiment } = await this.#server.get<{
        experiment: { experiment_id: string; lifecycle_stage?: string };
      }>(`${API}/experiments/get-by-name`, { experiment_name: name });
      if ((experiment.lifecycle_stage ?? 'active') !== 'active')
        throw new Error(`The experiment "${name}" was deleted; restore it, or give another name.`);
      return experiment.experiment_id;
    } catch (error) {
      if (error instanceof HttpRefused && error.code === 'RESOURCE_DOES_NOT_EXIST') return undefined;
      throw error;
    }
  }

  #tags(): { key: string; value: string }[] {
    const { tags = {}, parentRunId } = this.#options;
    const all = {
      'mlflow.source.name': process.argv[1] ?? 'node',
      'mlflow.source.type': 'LOCAL',
      ...userTag(),
      ...tags,
      ...(parentRunId !== undefined && { 'mlflow.parentRunId': parentRunId }),
    };
    return Object.entries(all).map(([key, value]) => ({ key, value }));
  }
}

function metricsOf({ name, value, labels = {}, of, step, timeMs }: MetricRecord): object[] {
  const key = of === 'batch' ? `batch/${name}` : name;
  const parts = Object.entries(labels).map(([label, part]) => [`${key}/${label}`, part] as const);
  return [[key, value] as const, ...parts].map(([each, number]) => ({
    ...{ key: keyOf(each), timestamp: timeMs, step },
    // As the JSON of Protocol Buffers has it.
    value: Number.isFinite(number) ? number : String(number),
  }));
}

function keyOf(name: string): string {
  return name.replaceAll(/[^\p{L}\p{N}_.\- :/]/gu, '_').slice(0, MAX_KEY_CHARACTERS);
}

function* chunks<T>(items: readonly T[], size: number): Iterable<readonly T[]> {
  for (let at = 0; at < items.length; at += size) yield items.slice(at, at + size);
}

/** A user may have no name, as in a container. */
function userTag(): Record<string, string> {
  try {
    return { 'mlflow.user': userInfo().username };
  } catch {
    return {};
  }
}

async function bytesOf(path: string): Promise<Uint8Array<ArrayBuffer>> {
  return new Uint8Array(await readFile(path));
}

function authorization(env: Readonly<Record<string, string | undefined>>): Record<string, string> {
  const { MLFLOW_TRACKING_TOKEN: token, MLFLOW_TRACKING_USERNAME: user } = env;
  if (token !== undefined && token !== '') return { authorization: `Bearer ${token}` };
  if (user === undefined || user === '') return {};
  return {
    authorization: basic(encodeURIComponent(user), encodeURIComponent(env['MLFLOW_TRACKING_PASSWORD'] ?? '')),
  };
}
