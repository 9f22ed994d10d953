import {
  appendFileSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { JobError } from './job-error.ts';
import { type MetricsFile, openMetrics } from './metrics-file.ts';
import type { ParameterSpec, ParameterValues } from './parameters.ts';
import { optionalText, readFlags, readParameters, requireText, text } from './parameters.ts';

/** What a program knows about its surroundings, the same under Trainyard and alone. */
export interface Job {
  /** Who reports: the run under Trainyard, else program and name, e.g. `train-small`. */
  readonly id: string;
  /** Where the program may write. Under Trainyard the attempt directory, else a folder in ./out. */
  readonly directory: string;
  readonly metrics: MetricsFile;
  log(line: string): void;
  /** Publishes what later stages may use. Call it once, at the end. */
  writeOutputs(outputs: Readonly<Record<string, unknown>>): void;
  /** Tells the platform which file was read or written; it adds the sha256 when the job ends. */
  recordDataset(dataset: DatasetRecord): void;
  /**
   * Outputs of earlier programs that ran alone, by their name: `earlierOutputs('train')` after
   * `node train.ts --name small` is `{small: {...}}`. Under Trainyard nothing: there, values come
   * through params only.
   */
  earlierOutputs(program: string): Readonly<Record<string, Readonly<Record<string, unknown>>>>;
}

export interface DatasetRecord {
  readonly name: string;
  readonly path: string;
  readonly role: 'input' | 'output';
  readonly rows: number;
}

const TERMINATED_EXIT_CODE = 143; // 128 + SIGTERM, as a shell reports it

/**
 * Runs a program of this example: reads its parameters (defaults, then TRAINYARD_PARAMS, then flags),
 * opens its surroundings, and ends the process with 0, with 1 after a failure, with 143 after SIGTERM.
 */
export async function runJob<S extends ParameterSpec>(
  program: string,
  spec: S,
  main: (job: Job, params: ParameterValues<S>) => Promise<void> | void,
): Promise<void> {
  let job: Job | undefined;
  process.once('SIGTERM', () => {
    console.log('SIGTERM received, stopping');
    job?.metrics.close('failed');
    process.exit(TERMINATED_EXIT_CODE);
  });
  try {
    const everySpec = { ...spec, name: text('model'), out: optionalText() };
    const flags = readFlags(process.argv.slice(2), Object.keys(everySpec));
    const values = { ...readParamsFile(), ...flags };
    const { name, out } = readParameters({ name: everySpec.name, out: everySpec.out }, values);
    const params = readParameters(spec, values);
    job = openJob(program, name, out ?? 'out');
    await main(job, params);
    job.metrics.close('completed');
  } catch (error) {
    job?.metrics.close('failed');
    console.error(error instanceof JobError ? `${program}: ${error.message}` : error);
    process.exitCode = 1;
  }
}

/** The dataset given, or the one that preprocess.ts wrote when the programs run alone. */
export function datasetPath(job: Job, given: string | undefined): string {
  const earlier = job.earlierOutputs('preprocess')['model']?.['dataset'];
  return requireText('dataset', given ?? earlier, 'the path of the digits.jsonl that preprocess.ts writes');
}

function openJob(program: string, name: string, out: string): Job {
  const env = process.env;
  const id = env['TRAINYARD_RUN_ID'] ?? `${program}-${name}`;
  const directory = resolve(env['TRAINYARD_ATTEMPT_DIR'] ?? join(out, `${program}-${name}`));
  const alone = env['TRAINYARD_ATTEMPT_DIR'] === undefined;
  mkdirSync(directory, { recursive: true });
  if (alone) forgetEarlierReports(directory);
  return {
    id,
    directory,
    metrics: openMetrics(env['PLATFORM_METRICS_DIR'] ?? join(directory, 'metrics'), id),
    log: (line) => console.log(line),
    writeOutputs: (outputs) => {
      writeWhole(env['TRAINYARD_OUTPUTS'] ?? join(directory, 'outputs.json'), outputs);
    },
    recordDataset: (dataset) => {
      appendFileSync(join(directory, 'datasets.jsonl'), `${JSON.stringify(dataset)}\n`);
    },
    earlierOutputs: (earlier) => (alone ? readEarlierOutputs(resolve(out), earlier) : {}),
  };
}

/** Alone, a program may run twice into one folder; the steps of both must not mix. */
function forgetEarlierReports(directory: string): void {
  rmSync(join(directory, 'metrics'), { recursive: true, force: true });
  rmSync(join(directory, 'datasets.jsonl'), { force: true });
}

function readEarlierOutputs(out: string, program: string): Record<string, Record<string, unknown>> {
  const folders = readdirSync(out).filter((folder) => folder.startsWith(`${program}-`));
  const named = folders.sort().flatMap((folder) => {
    const outputs = readJson(join(out, folder, 'outputs.json'));
    return outputs === undefined ? [] : [[basename(folder).slice(program.length + 1), outputs] as const];
  });
  return Object.fromEntries(named);
}

function readParamsFile(): Record<string, unknown> {
  const path = process.env['TRAINYARD_PARAMS'];
  if (path === undefined) return {};
  const params = readJson(path);
  if (params === undefined) throw new JobError(`TRAINYARD_PARAMS names ${path}, which does not exist`);
  return params;
}

/** The object in the file, or undefined when there is no such file. */
function readJson(path: string): Record<string, unknown> | undefined {
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as Record<string, unknown>;
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw new JobError(`${path} is not valid JSON`, { cause });
  }
}

/** Renames into place, so that a reader never sees half a document. */
function writeWhole(path: string, document: unknown): void {
  writeFileSync(`${path}.part`, `${JSON.stringify(document, null, 2)}\n`);
  renameSync(`${path}.part`, path);
}
