import { readdir, realpath } from 'node:fs/promises';
import { basename, join, relative } from 'node:path';
import { TrainyardError } from '@trainyard/protocol';
import { eventRecords } from './event-records.ts';
import type { SourcePair, SourcePoint, SourceRun } from './source-run.ts';
import { bytesOf, doubleOf, floatOf, integerOf, textOf, type WireField, wireFields } from './wire-message.ts';

const MAX_DIRECTORIES = 100_000;
const POINTS_PER_PIECE = 1000;
const FLOAT = 1;
const DOUBLE = 2;

/**
 * The runs of a directory of TensorBoard: each directory with event files is one. Scalars become points, hparams
 * params; what else there is (pictures, histograms, texts) is counted.
 * @throws TrainyardError USAGE when there is none
 */
export async function* tensorboardRuns(
  dir: string,
  experiment: string | undefined,
): AsyncGenerator<SourceRun> {
  const root = await realpath(dir).catch(() => undefined);
  if (root === undefined) throw new TrainyardError('USAGE', `There is no directory ${dir}.`);
  let found = 0;
  for await (const { path, files } of eventDirectories(root)) {
    found += 1;
    yield await readRun(
      { path, files, name: relative(root, path) || basename(root) },
      experiment ?? basename(root),
    );
  }
  if (found === 0) throw new TrainyardError('USAGE', `There are no event files of TensorBoard in ${dir}.`);
}

interface EventDirectory {
  readonly path: string;
  /** In the order in which they were written. */
  readonly files: readonly string[];
}

/** Links are not followed: they may lead in circles. */
async function* eventDirectories(root: string): AsyncGenerator<EventDirectory> {
  const open = [root];
  for (let seen = 0; open.length > 0; seen += 1) {
    const path = open.shift()!;
    if (seen === MAX_DIRECTORIES) {
      throw new TrainyardError(
        'USAGE',
        `${root} has more than ${MAX_DIRECTORIES} directories; import parts of it.`,
      );
    }
    const entries = (await readdir(path, { withFileTypes: true })).sort((a, b) => (a.name < b.name ? -1 : 1));
    const files = entries.filter((each) => each.isFile() && each.name.includes('tfevents'));
    if (files.length > 0) yield { path, files: files.map(({ name }) => join(path, name)) };
    open.push(...entries.filter((each) => each.isDirectory()).map(({ name }) => join(path, name)));
  }
}

async function readRun(
  { path, files, name }: EventDirectory & { readonly name: string },
  experiment: string,
): Promise<SourceRun> {
  const notes: string[] = [];
  // Once for what a run begins with and how it ended, and again for its points.
  const about = { params: [] as SourcePair[], isFailed: false, startMs: Infinity, endMs: -Infinity };
  const skipped = new Map<string, number>();
  for (const file of files) {
    for await (const event of events(file, notes)) {
      about.startMs = Math.min(about.startMs, event.time);
      about.endMs = Math.max(about.endMs, event.time);
      for (const value of event.values) {
        const plugin = pluginOf(value);
        if (plugin?.name === 'hparams') noteHparams(plugin.content, about);
        else if (scalarOf(value) === undefined) {
          const kind = plugin?.name || 'other';
          skipped.set(kind, (skipped.get(kind) ?? 0) + 1);
        }
      }
    }
  }
  for (const [kind, count] of skipped) notes.push(`${count} values of the kind "${kind}" have no place here`);
  return {
    sourceId: `tensorboard:${path}`,
    experiment,
    name,
    status: about.isFailed ? 'FAILED' : 'FINISHED',
    startMs: Number.isFinite(about.startMs) ? about.startMs : undefined,
    endMs: Number.isFinite(about.endMs) ? about.endMs : undefined,
    params: [...new Map(about.params.map((param) => [param.key, param])).values()],
    tags: [],
    points: () => pointsOf(files),
    files: [],
    notes,
  };
}

async function* pointsOf(files: readonly string[]): AsyncGenerator<SourcePoint[]> {
  let piece: SourcePoint[] = [];
  for (const file of files) {
    for await (const { step, time, values } of events(file, [])) {
      for (const value of values) {
        const key = textOf(value, 1);
        const scalar = scalarOf(value);
        if (key === undefined || scalar === undefined || pluginOf(value)?.name === 'hparams') continue;
        piece.push({ key, value: scalar, step, time });
        if (piece.length < POINTS_PER_PIECE) continue;
        yield piece;
        piece = [];
      }
    }
  }
  if (piece.length > 0) yield piece;
}

interface ReadEvent {
  readonly step: number;
  readonly time: number;
  /** Fields of each `Summary.Value`. */
  readonly values: readonly (readonly WireField[])[];
}

/** Events with values, up to where the file is whole. */
async function* events(file: string, notes: string[]): AsyncGenerator<ReadEvent> {
  const records = eventRecords(file);
  for (let count = 0; ; count += 1) {
    const { done, value } = await records.next();
    if (done) {
      if (value === 'cut') notes.push(`${basename(file)} ends in the middle of record ${count + 1}`);
      if (value === 'damaged') notes.push(`${basename(file)} is damaged from record ${count + 1} on`);
      return;
    }
    try {
      const event = wireFields(value as Uint8Array);
      const summary = bytesOf(event, 5);
      if (summary === undefined) continue;
      const values = wireFields(summary).flatMap(({ number, value: inner }) =>
        number === 1 && inner instanceof Uint8Array ? [wireFields(inner)] : [],
      );
      yield { step: integerOf(event, 2), time: Math.round((doubleOf(event, 1) ?? 0) * 1000), values };
    } catch (error) {
      notes.push(`${basename(file)}: record ${count + 1} is no event (${(error as Error).message})`);
    }
  }
}

/** The number of a scalar, in the older form or as a tensor; undefined for anything else. */
function scalarOf(value: readonly WireField[]): number | undefined {
  const simple = floatOf(value, 2);
  if (simple !== undefined) return simple;
  const tensorBytes = bytesOf(value, 8);
  const plugin = pluginOf(value)?.name;
  if (tensorBytes === undefined || (plugin !== undefined && plugin !== 'scalars')) return undefined;
  const tensor = wireFields(tensorBytes);
  const type = integerOf(tensor, 1);
  const content = bytesOf(tensor, 4);
  const raw = [{ number: 1, value: content ?? new Uint8Array() }] as const;
  if (type === FLOAT) return content === undefined ? floatOf(tensor, 5) : floatOf(raw, 1);
  if (type === DOUBLE) return content === undefined ? doubleOf(tensor, 6) : doubleOf(raw, 1);
  return undefined;
}

function pluginOf(
  value: readonly WireField[],
): { readonly name: string; readonly content: Uint8Array } | undefined {
  const metadata = bytesOf(value, 9);
  const data = metadata === undefined ? undefined : bytesOf(wireFields(metadata), 1);
  if (data === undefined) return undefined;
  const fields = wireFields(data);
  return { name: textOf(fields, 1) ?? '', content: bytesOf(fields, 2) ?? new Uint8Array() };
}

const SUCCESS = 1;

function noteHparams(content: Uint8Array, about: { readonly params: SourcePair[]; isFailed: boolean }): void {
  const data = wireFields(content);
  const start = bytesOf(data, 3);
  const end = bytesOf(data, 4);
  if (end !== undefined) about.isFailed = integerOf(wireFields(end), 1) !== SUCCESS;
  for (const { number, value } of start === undefined ? [] : wireFields(start)) {
    if (number !== 1 || !(value instanceof Uint8Array)) continue;
    const entry = wireFields(value);
    const key = textOf(entry, 1);
    const held = wireFields(bytesOf(entry, 2) ?? new Uint8Array());
    const text = textOf(held, 3) ?? doubleOf(held, 2)?.toString();
    if (key !== undefined)
      about.params.push({ key, value: text ?? (integerOf(held, 4) === 0 ? 'false' : 'true') });
  }
}
