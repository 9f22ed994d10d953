import type { Callback, CallbackContext, CallbackEnd } from './callback.ts';

export interface ProgressBarOptions {
  /** Epochs that the program will train; its lines say only what was done if left out. */
  readonly epochs?: number;
  /** Batches of an epoch. */
  readonly batches?: number;
  /** Standard error if left out. */
  readonly stream?: ProgressStream;
}

/** As `process.stderr` is. */
export interface ProgressStream {
  readonly isTTY?: boolean;
  readonly columns?: number;
  write(text: string): unknown;
}

/**
 * Shows on a terminal how far an epoch has come, and leaves a line of each. Where there is no terminal it writes
 * nothing: a log has no use for it.
 */
export class ProgressBar implements Callback {
  readonly name = 'progress-bar';
  readonly #options: ProgressBarOptions;
  readonly #stream: ProgressStream;
  #batches = 0;
  #drawnAtMs = 0;
  #isLineOpen = false;

  constructor(options: ProgressBarOptions = {}) {
    this.#options = options;
    this.#stream = options.stream ?? process.stderr;
  }

  onEpochStart({ level }: CallbackContext): void {
    [this.#batches, this.#drawnAtMs] = [0, level.startedAtMs];
  }

  onBatchEnd({ level, end, metrics }: CallbackEnd): void {
    this.#batches += 1;
    if (end.endedAtMs - this.#drawnAtMs < REDRAW_MS) return;
    this.#drawnAtMs = end.endedAtMs;
    this.#draw([this.#epochText(level.parent!.index), this.#batchText(), metricsText(metrics)]);
  }

  onEpochEnd({ level, end, metrics }: CallbackEnd): void {
    const seconds = `${((end.endedAtMs - level.startedAtMs) / 1000).toFixed(1)} s`;
    this.#draw([this.#epochText(level.index), seconds, metricsText(metrics)]);
    this.#endLine();
  }

  /** What an epoch that has failed has left stays readable. */
  onRunEnd(): void {
    this.#endLine();
  }

  #epochText(index: number): string {
    const { epochs } = this.#options;
    return epochs === undefined ? `epoch ${index}` : `epoch ${index + 1}/${epochs}`;
  }

  #batchText(): string {
    const { batches } = this.#options;
    if (batches === undefined) return `${this.#batches} batches`;
    const done = Math.min(BAR_WIDTH, Math.round((BAR_WIDTH * this.#batches) / batches));
    return `[${'#'.repeat(done)}${'-'.repeat(BAR_WIDTH - done)}] ${this.#batches}/${batches}`;
  }

  #draw(parts: readonly string[]): void {
    if (this.#stream.isTTY !== true) return;
    // A line that wraps could not be drawn over.
    const line = parts
      .filter((part) => part !== '')
      .join('  ')
      .slice(0, (this.#stream.columns ?? DEFAULT_COLUMNS) - 1);
    this.#stream.write(`\r\x1b[2K${line}`);
    this.#isLineOpen = true;
  }

  #endLine(): void {
    if (this.#isLineOpen) this.#stream.write('\n');
    this.#isLineOpen = false;
  }
}

const REDRAW_MS = 100;
const BAR_WIDTH = 20;
const DEFAULT_COLUMNS = 80;

function metricsText(metrics: CallbackContext['metrics']): string {
  return [...metrics.entries()]
    .map(([name, { total }]) => `${name}=${Number(total.toPrecision(4))}`)
    .join(' ');
}
