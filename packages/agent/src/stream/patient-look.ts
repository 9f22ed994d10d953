import type { AgentLog } from '../agent-log.ts';
import { Backoff } from '../link/backoff.ts';
import type { ByteSource, SourceLook } from './byte-source.ts';
import type { ChunkRoom } from './chunk-room.ts';

/** Looks at files that cannot always be reached: tries again until it works, and says so once each time. */
export class PatientLook {
  readonly #source: ByteSource;
  readonly #log: AgentLog;
  readonly #attemptId: string;
  readonly #backoff = new Backoff({ firstMs: 200, maxMs: 15_000 });

  constructor(options: { readonly source: ByteSource; readonly log: AgentLog; readonly attemptId: string }) {
    this.#source = options.source;
    this.#log = options.log;
    this.#attemptId = options.attemptId;
  }

  /** @throws when `signal` fires */
  async look(
    offset: number,
    maxBytes: number,
    signal: AbortSignal,
    room?: ChunkRoom,
  ): Promise<SourceLook | undefined> {
    for (let warned = false; ; warned = true) {
      try {
        const look = await this.#source.look(offset, maxBytes, room);
        this.#backoff.reset();
        return look;
      } catch (error) {
        signal.throwIfAborted();
        const fault = { attemptId: this.#attemptId, source: this.#source.name, error: String(error) };
        if (!warned) this.#log.warn(fault, 'cannot read a file of a job');
        await this.#backoff.wait(signal);
      }
    }
  }
}
