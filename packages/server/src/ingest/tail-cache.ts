import type { ParserState } from './metric-parser.ts';
import type { StoredStream } from './stored-stream.ts';

interface StreamKey {
  readonly attemptId: string;
  readonly stream: StoredStream;
}

/** Where a metrics stream was after a commit of ours, with the bytes that are not parsed yet. */
export interface CachedTail extends ParserState {
  /** Size of the stream at that moment. */
  readonly size: number;
}

/** Most unparsed bytes kept, over all streams. */
const MAX_CACHED_BYTES = 32 * 1024 * 1024;
const MAX_CACHED_STREAMS = 20_000;

/**
 * Half-written last lines of metrics streams. Only an optimisation: an entry counts if size and parsed
 * offset equal those of the locked row, otherwise the bytes are read from the stored chunks.
 */
export class TailCache {
  readonly #tails = new Map<string, CachedTail>();
  #bytes = 0;

  get(key: StreamKey): CachedTail | undefined {
    return this.#tails.get(textOf(key));
  }

  set(key: StreamKey, tail: CachedTail): void {
    const text = textOf(key);
    this.#forget(text);
    this.#tails.set(text, tail);
    this.#bytes += tailBytes(tail);
    for (const [oldest] of this.#tails) {
      if (this.#bytes <= MAX_CACHED_BYTES && this.#tails.size <= MAX_CACHED_STREAMS) break;
      this.#forget(oldest);
    }
  }

  delete(key: StreamKey): void {
    this.#forget(textOf(key));
  }

  #forget(text: string): void {
    const tail = this.#tails.get(text);
    if (tail === undefined) return;
    this.#tails.delete(text);
    this.#bytes -= tailBytes(tail);
  }
}

function textOf({ attemptId, stream }: StreamKey): string {
  return `${attemptId} ${stream}`;
}

function tailBytes(tail: ParserState): number {
  return tail.tail.reduce((sum, part) => sum + part.length, 0);
}
