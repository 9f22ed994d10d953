import { open, readFile, stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import {
  type AttemptFiles,
  type AttemptSpec,
  datasetRecord,
  type InexactNumber,
  inexactNumber,
  type ReportedDataset,
  type RunError,
  runError,
} from '@trainyard/protocol';
import type { z } from 'zod';
import type { ProgramFiles } from '../executor.ts';
import { parseJson } from '../parse-json.ts';
import { lastLines, type Products } from './attempt-outcome.ts';
import { describeContent } from './dataset-content.ts';
import { PRODUCT_LIMITS } from './product-limits.ts';
import { recordLines } from './record-lines.ts';

/** Reads outputs.json and datasets.jsonl, and hashes the artifacts and the files that the latter names. */
export async function readProducts(
  files: AttemptFiles,
  spec: Pick<AttemptSpec, 'artifacts'>,
  named: ProgramFiles,
  signal: AbortSignal,
): Promise<Products> {
  try {
    const written = await readOutputs(files.outputs);
    const outputs = await withArtifacts(written, spec.artifacts, named, signal);
    return { ok: true, outputs, datasets: await readDatasets(files.datasets, named, signal) };
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof ProductError) return { ok: false, error: error.runError };
    const message = `the files that the program left could not be read: ${String(error)}`;
    return { ok: false, error: { code: 'invalid_outputs', message } };
  }
}

/** The last lines of the program's output, for the message of a failure. */
export async function readLogTail(path: string): Promise<string> {
  const handle = await open(path, 'r').catch(() => undefined);
  if (handle === undefined) return '';
  try {
    const { size } = await handle.stat();
    const length = Math.min(size, TAIL_BYTES);
    const { buffer } = await handle.read(Buffer.alloc(length), 0, length, size - length);
    return lastLines(buffer.toString('utf8'), TAIL_LINES, TAIL_CHARACTERS);
  } catch {
    return '';
  } finally {
    await handle.close();
  }
}

/** What a program of our own wrote about its failure; null when it could not. */
export async function readFailure(path: string): Promise<RunError | null> {
  const text = await readFile(path, 'utf8').catch(() => '');
  const parsed = runError.safeParse(parseJson(text));
  if (!parsed.success) return null;
  const { code, message } = parsed.data;
  return { code, message: message.slice(0, MAX_FAILURE_CHARACTERS) };
}

const MAX_FAILURE_CHARACTERS = 4000;
const TAIL_BYTES = 16 * 1024;
const TAIL_LINES = 5;
const TAIL_CHARACTERS = 2000;

class ProductError extends Error {
  readonly runError: RunError;

  constructor(code: string, message: string) {
    super(message);
    this.runError = { code, message };
  }
}

/** A value that is not a JSON object is put under `value`. */
async function readOutputs(path: string): Promise<Record<string, unknown> | null> {
  const text = await readLimited(path, PRODUCT_LIMITS.outputsBytes, 'invalid_outputs', 'outputs.json');
  if (text === undefined || text.trim() === '') return null;
  let parsed: unknown;
  let inexact: InexactNumber | undefined;
  try {
    parsed = JSON.parse(text);
    inexact = inexactNumber(text);
  } catch (error) {
    throw new ProductError(
      'invalid_outputs',
      `outputs.json is not JSON: ${error instanceof Error ? error.message : error}`,
    );
  }
  const fault = unfitFor(parsed);
  if (fault !== undefined) throw new ProductError('invalid_outputs', `outputs.json ${fault}`);
  if (inexact !== undefined) {
    const { key, source, problem } = inexact;
    const where = key === '' ? '' : ` under "${key}"`;
    const message = `outputs.json has ${source.slice(0, 100)}${where}, which is ${problem} and would be changed; write it as text, in quotes`;
    throw new ProductError('invalid_outputs', message);
  }
  const isObject = typeof parsed === 'object' && parsed !== null && !Array.isArray(parsed);
  return isObject ? (parsed as Record<string, unknown>) : { value: parsed };
}

/** What keeps a JSON value from being handed on; `undefined` when nothing does. */
function unfitFor(json: unknown): string | undefined {
  const open: { readonly value: unknown; readonly depth: number }[] = [{ value: json, depth: 0 }];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const { value, depth } = next;
    if (typeof value !== 'object' || value === null) continue;
    if (Object.hasOwn(value, '__proto__')) {
      return 'has the key "__proto__", which programs may take for something else than data; use another name';
    }
    if (depth === PRODUCT_LIMITS.outputsDepth) {
      return `has lists and objects in each other deeper than ${PRODUCT_LIMITS.outputsDepth} levels; put the data into a file and its path into the outputs`;
    }
    for (const inner of Object.values(value)) open.push({ value: inner, depth: depth + 1 });
  }
  return undefined;
}

/** Each artifact is an output that says where its file is and what is in it. */
async function withArtifacts(
  outputs: Record<string, unknown> | null,
  artifacts: AttemptSpec['artifacts'],
  named: ProgramFiles,
  signal: AbortSignal,
): Promise<Record<string, unknown> | null> {
  const names = Object.keys(artifacts);
  const twice = names.find((name) => outputs !== null && Object.hasOwn(outputs, name));
  if (twice !== undefined) {
    const message = `outputs.json has "${twice}", which is the name of an artifact, too; use another name for one of them`;
    throw new ProductError('invalid_outputs', message);
  }
  const described: [string, unknown][] = [];
  for (const name of names) {
    const path = resolve(named.workingDir, artifacts[name]!);
    const found = await named.stat(path);
    if (found?.kind !== 'file') {
      const what = found === undefined ? 'does not exist' : 'is not a file; pack a directory into one';
      throw new ProductError('artifact_missing', `artifact "${name}": ${path} ${what}`);
    }
    described.push([name, { path, sha256: await named.sha256(path, signal), sizeBytes: found.sizeBytes }]);
  }
  return names.length === 0 ? outputs : { ...outputs, ...Object.fromEntries(described) };
}

async function readDatasets(
  path: string,
  named: ProgramFiles,
  signal: AbortSignal,
): Promise<ReportedDataset[]> {
  const text = await readLimited(path, PRODUCT_LIMITS.datasetsBytes, 'invalid_datasets', 'datasets.jsonl');
  const datasets: ReportedDataset[] = [];
  for (const { lineNumber, record, fault } of recordLines(text ?? '', datasetRecord)) {
    if (datasets.length === PRODUCT_LIMITS.datasets) {
      throw new ProductError(
        'invalid_datasets',
        `datasets.jsonl has more than ${PRODUCT_LIMITS.datasets} lines`,
      );
    }
    const where = `datasets.jsonl line ${lineNumber}`;
    if (record === undefined) throw new ProductError('invalid_datasets', `${where}: ${fault}`);
    datasets.push(await readDataset(record, where, named, signal));
  }
  return datasets;
}

async function readDataset(
  record: z.output<typeof datasetRecord>,
  where: string,
  named: ProgramFiles,
  signal: AbortSignal,
): Promise<ReportedDataset> {
  const path = resolve(named.workingDir, record.path);
  const found = await named.stat(path);
  if (found === undefined)
    throw new ProductError('dataset_missing', `${where}: the file ${path} does not exist`);
  if (found.kind !== 'file') {
    throw new ProductError(
      'invalid_datasets',
      `${where}: ${path} is not a file; record its files one by one`,
    );
  }
  const sha256 = await named.sha256(path, signal);
  const content = named.isLocal ? await describeContent(path, signal) : {};
  return { ...record, path, sha256, sizeBytes: found.sizeBytes, ...content };
}

async function readLimited(
  path: string,
  maxBytes: number,
  code: string,
  name: string,
): Promise<string | undefined> {
  const found = await stat(path).catch(() => undefined);
  if (found === undefined) return undefined;
  if (found.size > maxBytes) {
    throw new ProductError(
      code,
      `${name} has ${found.size} bytes; the limit is ${maxBytes}. Write large data to files`,
    );
  }
  return readFile(path, 'utf8');
}
