import type { Client } from '@trainyard/client';
import { isTerminalRunStatus, type RunTree } from '@trainyard/protocol';
import type { CliContext } from './cli-context.ts';
import { descend } from './find-run.ts';
import { pause } from './interrupt.ts';
import { writeToStdout } from './stdout-reader.ts';

export interface LogOptions {
  readonly follow: boolean;
  readonly timestamps: boolean;
  /** The text export of one job. */
  readonly text?: boolean;
  readonly attempt: number | undefined;
}

const LINES_PER_CALL = 5000;
const POLL_MS = 500;

/** Writes the log of one job to stdout, byte for byte as its process wrote it. */
export async function writeRawLog(
  client: Client,
  id: string,
  options: LogOptions,
  signal: AbortSignal,
): Promise<void> {
  if (options.follow) {
    for await (const part of client.followLog(id, { attempt: options.attempt, signal }))
      await writeToStdout(part.bytes);
    return;
  }
  for (let offset = 0; ; ) {
    const part = await client.readLog(id, { attempt: options.attempt, offset, signal });
    await writeToStdout(part.bytes);
    if (part.bytes.length === 0 || part.nextOffset >= part.size) return;
    offset = part.nextOffset;
  }
}

/** Writes the log of one job to stdout as a text file for people: each line with its time, as the server has it now. */
export async function writeLogText(
  client: Client,
  id: string,
  { attempt }: Pick<LogOptions, 'attempt'>,
  signal: AbortSignal,
): Promise<void> {
  for await (const bytes of client.exportLog(id, { format: 'text', attempt, signal }))
    await writeToStdout(bytes);
}

/** The jobs of a tree whose logs are shown, in the order of the definition. */
export function jobsOf(tree: RunTree): RunTree[] {
  return [...descend(tree)].filter((run) => run.kind === 'job');
}

/** A process of it was started, or it has the log of the run whose results it took over. */
export function hasLog({ startedAt, keptFrom, cachedFrom }: RunTree): boolean {
  return startedAt !== null || keptFrom !== undefined || cachedFrom !== undefined;
}

/**
 * Writes the logs of several jobs line by line: one after the other, or with `follow` as the lines come.
 * Lines carry the path of their stage when there are several.
 */
export async function writeLogLines(
  context: CliContext,
  client: Client,
  id: string,
  options: LogOptions,
  signal: AbortSignal,
): Promise<void> {
  const readers = new Map<string, JobLog>();
  for (;;) {
    const tree = await client.getTree(id, { signal });
    const jobs = jobsOf(tree);
    const width = Math.max(0, ...jobs.map((job) => job.path.length));
    for (const job of jobs) {
      if (!hasLog(job)) continue;
      let reader = readers.get(job.id);
      if (reader === undefined) {
        reader = new JobLog(client, job, options.attempt);
        readers.set(job.id, reader);
      }
      const prefix = jobs.length > 1 ? `${job.path.padEnd(width)} | ` : '';
      await reader.drain(job.attempt, signal, (line) => {
        context.out(formatLine(context, options, job, line, prefix));
      });
    }
    if (!options.follow || isTerminalRunStatus(tree.status)) return;
    await pause(POLL_MS, signal);
    signal.throwIfAborted();
  }
}

interface Line {
  readonly attempt: number;
  readonly offset: number;
  readonly time: string;
  readonly text: string;
}

/** Reads on in the log of one job, from attempt to attempt. */
class JobLog {
  readonly #client: Client;
  readonly #runId: string;
  readonly #isFixed: boolean;
  #attempt: number;
  #offset = 0;
  #isDone = false;

  constructor(client: Client, job: RunTree, attempt: number | undefined) {
    this.#client = client;
    this.#runId = job.id;
    // Of another run, whose attempts have numbers of their own, it is that of the last.
    this.#isFixed = attempt !== undefined || job.attempt === 0;
    this.#attempt = attempt ?? job.attempt;
  }

  async drain(newest: number, signal: AbortSignal, onLine: (line: Line) => void): Promise<void> {
    for (;;) {
      if (this.#isDone && (this.#isFixed || newest <= this.#attempt)) return;
      if (this.#isDone) {
        this.#attempt += 1;
        this.#offset = 0;
        this.#isDone = false;
      }
      const part = await this.#client.readLogLines(this.#runId, {
        attempt: this.#attempt === 0 ? undefined : this.#attempt,
        offset: this.#offset,
        limit: LINES_PER_CALL,
        signal,
      });
      for (const item of part.items) onLine({ ...item, attempt: this.#attempt });
      this.#isDone = part.complete;
      if (!part.complete && part.nextOffset === this.#offset) return;
      this.#offset = part.nextOffset;
    }
  }
}

function formatLine(
  context: CliContext,
  options: LogOptions,
  job: RunTree,
  line: Line,
  prefix: string,
): string {
  if (context.json) return `${JSON.stringify({ runId: job.id, path: job.path, ...line })}\n`;
  const time = options.timestamps ? `${context.outStyle.dim(line.time)} ` : '';
  return `${context.outStyle.cyan(prefix)}${time}${line.text}\n`;
}
