import {
  type AttemptSpec,
  DEFAULT_FAILURE_PATTERNS,
  type FailurePattern,
  type LinearRegex,
  linearRegex,
} from '@trainyard/protocol';
import { pause } from '../link/backoff.ts';
import type { ByteSource } from '../stream/byte-source.ts';
import { ChunkRoom } from '../stream/chunk-room.ts';

/**
 * Looks at the output of a program as it grows, from where it stopped before: for what its lines say about a
 * failure, and for signs of life. A program that writes faster than it looks has only its newest part looked at,
 * so this costs the same whatever is written.
 */
export class LogWatch {
  readonly #patterns: readonly CompiledPattern[];
  readonly #source: ByteSource;
  readonly #ended = new AbortController();
  readonly #done: Promise<void>;
  #offset = 0;
  #metricsSize = 0;
  #carry = '';
  /** Number of the first pattern that was found. */
  #found = Number.POSITIVE_INFINITY;
  #changedAtMs = performance.now();

  constructor(options: {
    readonly spec: Pick<AttemptSpec, 'failures' | 'stallMs'>;
    readonly output: ByteSource;
    /** Looked at for signs of life only. */
    readonly metrics: ByteSource;
    /** True while it is paused: then it shows no life, and is not to be blamed for it. */
    readonly isPaused: () => boolean;
    readonly onStalled: (message: string) => void;
    readonly signal: AbortSignal;
  }) {
    this.#patterns = [...(options.spec.failures ?? []).map(compiled), ...USUAL_PATTERNS];
    this.#source = options.output;
    this.#done = this.#run(options).catch(() => undefined);
  }

  /** Something else of it has changed, such as its metrics. */
  noteProgress(): void {
    this.#changedAtMs = performance.now();
  }

  /** The program has ended: what its log said, after a last look. */
  async finish(): Promise<FailurePattern | undefined> {
    this.#ended.abort();
    await this.#done;
    return this.#patterns[this.#found];
  }

  async #run({
    spec,
    metrics,
    isPaused,
    onStalled,
    signal,
  }: ConstructorParameters<typeof LogWatch>[0]): Promise<void> {
    const either = AbortSignal.any([signal, this.#ended.signal]);
    const { stallMs } = spec;
    let isStalled = false;
    try {
      for (;;) {
        const isLast = this.#ended.signal.aborted;
        await this.#look(isLast);
        if (isLast || signal.aborted) return;
        if (stallMs !== undefined) await this.#lookAtMetrics(metrics);
        if (isPaused()) this.noteProgress();
        if (stallMs !== undefined && !isStalled && performance.now() - this.#changedAtMs >= stallMs) {
          isStalled = true;
          onStalled(`no output, metrics or progress for ${Math.round(stallMs / 100) / 10} s (stallTimeout)`);
        }
        await pause(Math.min(LOOK_EVERY_MS, (stallMs ?? LOOK_EVERY_MS) / 4), either).catch(() => undefined);
      }
    } finally {
      await this.#source.close();
      await metrics.close();
    }
  }

  async #look(isLast: boolean): Promise<void> {
    const { size } = (await this.#source.look(this.#offset, 0).catch(() => undefined)) ?? {
      size: this.#offset,
    };
    if (size !== this.#offset) this.noteProgress();
    // The last look ends the line that is under way.
    else if (!isLast) return;
    if (size < this.#offset) this.#offset = 0;
    if (size - this.#offset > MAX_LOOK_BYTES) {
      // Too much since the last look: only the newest lines say why a program fails.
      this.#offset = size - MAX_LOOK_BYTES;
      this.#carry = '';
    }
    const room = new ChunkRoom();
    const look = await this.#source.look(this.#offset, MAX_LOOK_BYTES, room).catch(() => undefined);
    const bytes = look?.bytes ?? new Uint8Array(0);
    this.#offset += bytes.length;
    const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('utf8');
    room.release();
    this.#search(text + (isLast ? '\n' : ''));
  }

  async #lookAtMetrics(metrics: ByteSource): Promise<void> {
    const size = (await metrics.look(0, 0).catch(() => undefined))?.size ?? 0;
    if (size !== this.#metricsSize) this.noteProgress();
    this.#metricsSize = size;
  }

  #search(text: string): void {
    const all = this.#carry + text;
    const end = all.lastIndexOf('\n') + 1;
    // A line without an end is looked at as far as it is, so that no line grows without limit.
    this.#carry = all.slice(end).slice(-MAX_LINE_CHARACTERS);
    const whole = all.slice(0, end);
    if (whole === '') return;
    const folded = whole.toLowerCase();
    let lines: readonly string[] | undefined;
    for (const [index, { regex }] of this.#patterns.entries()) {
      if (index >= this.#found) return;
      const { needles } = regex;
      if (needles.length > 0 && !needles.some((needle) => folded.includes(needle))) continue;
      lines ??= whole.split('\n').map((line) => line.slice(0, MAX_LINE_CHARACTERS).trimEnd());
      if (lines.some((line) => regex.test(line))) this.#found = index;
    }
  }
}

interface CompiledPattern extends FailurePattern {
  readonly regex: LinearRegex;
}

function compiled(pattern: FailurePattern): CompiledPattern {
  return { ...pattern, regex: linearRegex(pattern.pattern) };
}

/** The same for every job. */
const USUAL_PATTERNS = DEFAULT_FAILURE_PATTERNS.map(compiled);
const LOOK_EVERY_MS = 500;
/** Of one look. */
const MAX_LOOK_BYTES = 256 * 1024;
/** The rest of a longer line is not searched. */
const MAX_LINE_CHARACTERS = 4096;
