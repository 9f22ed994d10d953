import type { AgentClient } from '@trainyard/client';
import {
  type AttemptFiles,
  type AttemptSpec,
  type FailurePattern,
  type StreamName,
  streamName,
} from '@trainyard/protocol';
import type { AgentLog } from '../agent-log.ts';
import type { ServerContact } from '../link/server-contact.ts';
import type { ByteSource } from '../stream/byte-source.ts';
import { FileSource } from '../stream/file-source.ts';
import { START_OF_STREAM } from '../stream/stream-layout.ts';
import { StreamReporter } from '../stream/stream-reporter.ts';
import type { AttemptJournal } from './attempt-state.ts';
import type { JournalKeeper } from './journal-keeper.ts';
import { LogWatch } from './log-watch.ts';
import { watchProgress } from './progress-watch.ts';
import { trainingFiles } from './training-files.ts';

/** Sends what one attempt writes, output, metrics and progress, from where an earlier agent stopped. */
export class AttemptStreams {
  readonly #reporters: ReadonlyMap<StreamName, StreamReporter>;
  readonly #abandoned = new AbortController();
  readonly #ended = new AbortController();
  readonly #watch: LogWatch;
  #pattern: FailurePattern | undefined;
  readonly #stopped: AbortSignal;
  readonly #done: Promise<unknown>;
  readonly #dir: string;
  #diskWasFull = false;

  constructor(options: {
    readonly client: AgentClient;
    readonly contact: ServerContact;
    readonly log: AgentLog;
    readonly spec: AttemptSpec;
    readonly files: AttemptFiles;
    readonly journal: AttemptJournal;
    /** Left out: the files are on this machine. */
    readonly openFile?: ((path: string) => ByteSource) | undefined;
    readonly keeper: JournalKeeper;
    readonly flushDeadlineMs: number;
    readonly stopped: AbortSignal;
    readonly onFenced: () => void;
    readonly onStalled: (message: string) => void;
    readonly onProgress: (progress: Record<string, unknown>) => void;
  }) {
    const { files, journal, keeper, spec, stopped, openFile = (path) => new FileSource(path) } = options;
    this.#stopped = stopped;
    this.#dir = files.dir;
    const sources: Record<StreamName, ByteSource> = {
      log: openFile(files.output),
      metrics: openFile(files.metrics),
      // The agent's own, wherever the program runs.
      system: new FileSource(files.system),
    };
    this.#reporters = new Map(
      streamName.options.map((stream) => [
        stream,
        new StreamReporter({
          client: options.client,
          contact: options.contact,
          log: options.log,
          attemptId: spec.attemptId,
          epoch: spec.epoch,
          token: journal.token,
          stream,
          source: sources[stream],
          position: journal.state.streams[stream] ?? START_OF_STREAM,
          limits: keeper.limits,
          gate: keeper.gate,
          flushDeadlineMs: options.flushDeadlineMs,
          savePosition: (position) =>
            journal.update({ streams: { ...journal.state.streams, [stream]: position } }),
          onFenced: options.onFenced,
        }),
      ]),
    );
    const signal = AbortSignal.any([stopped, this.#abandoned.signal]);
    this.#watch = new LogWatch({
      spec,
      output: openFile(files.output),
      metrics: openFile(files.metrics),
      isPaused: () => journal.state.pausedAs !== null,
      onStalled: options.onStalled,
      signal,
    });
    const work = [...this.#reporters.values()].map((reporter) => {
      const release = keeper.keep({ journal: reporter.journal, onDiskFull: () => this.#noteDiskFull() });
      return reporter.run(signal).finally(release);
    });
    work.push(
      watchProgress({
        openFile,
        paths: [files.status, ...trainingFiles(spec, files, 'status')],
        onProgress: (progress) => {
          this.#watch.noteProgress();
          options.onProgress(progress);
        },
        ended: this.#ended.signal,
        signal,
      }),
    );
    this.#done = Promise.allSettled(work).then((results) => {
      for (const result of results) {
        if (result.status === 'rejected' && !signal.aborted) {
          options.log.error(
            { attemptId: spec.attemptId, error: String(result.reason) },
            'a stream of a job broke off',
          );
        }
      }
    });
  }

  /** Bytes that the server refused, by stream. */
  get undeliveredBytes(): Partial<Record<StreamName, number>> {
    const bytes: Partial<Record<StreamName, number>> = {};
    for (const [stream, reporter] of this.#reporters) {
      if (reporter.undeliveredBytes > 0) bytes[stream] = reporter.undeliveredBytes;
    }
    return bytes;
  }

  /** What went wrong beside the program; `undefined` when nothing did. */
  get fault(): string | undefined {
    const faults = Object.entries(this.undeliveredBytes).map(
      ([stream, bytes]) => `${bytes.toLocaleString('en')} bytes of the ${stream} were not delivered`,
    );
    if (this.#diskWasFull) {
      faults.push(`the disk of ${this.#dir} was full: output, metrics or files of the job may be missing`);
    }
    return faults.length === 0 ? undefined : faults.join('; ');
  }

  /** What the log said about a failure; known once `finish` has resolved. */
  get pattern(): FailurePattern | undefined {
    return this.#pattern;
  }

  /** The program has ended: resolves when everything is delivered. @throws when the agent is stopped first */
  async finish(): Promise<void> {
    for (const reporter of this.#reporters.values()) reporter.finish();
    this.#ended.abort();
    this.#pattern = await this.#watch.finish();
    await this.#done;
    this.#stopped.throwIfAborted();
  }

  #noteDiskFull(): void {
    this.#diskWasFull = true;
  }

  /** Nothing more is wanted. */
  abandon(): void {
    this.#abandoned.abort();
  }
}
