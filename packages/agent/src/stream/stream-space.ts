import type { AgentLog } from '../agent-log.ts';
import type { ByteSource } from './byte-source.ts';

/** Gives disk space of a growing file back, where that can be done. */
export class StreamSpace {
  readonly #source: ByteSource;
  readonly #log: AgentLog;
  readonly #stream: Readonly<Record<string, unknown>>;
  #isPossible: boolean;
  #beginFreed = 0;

  constructor(options: { readonly source: ByteSource; readonly log: AgentLog; readonly attemptId: string }) {
    this.#source = options.source;
    this.#log = options.log;
    this.#stream = { attemptId: options.attemptId, source: options.source.name };
    this.#isPossible = options.source.free !== undefined;
  }

  /** Whether the begin of the file up to `to` holds `stepBytes` that can be given back. */
  isWorthwhile(to: number, stepBytes: number): boolean {
    return this.#isPossible && to - this.#beginFreed >= stepBytes;
  }

  async freeBegin(to: number): Promise<void> {
    await this.free(this.#beginFreed, to);
    this.#beginFreed = to;
  }

  async free(from: number, to: number): Promise<void> {
    if (!this.#isPossible) return;
    try {
      await this.#source.free?.(from, to);
    } catch (error) {
      this.#isPossible = false;
      const fault = { ...this.#stream, error: String(error) };
      this.#log.warn(fault, 'output cannot be removed from this disk before the job has ended');
    }
  }

  /** The file is another one now. */
  reset(): void {
    this.#beginFreed = 0;
  }
}
