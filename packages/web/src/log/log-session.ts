import type { Client, LogLines } from '@trainyard/client';
import type { LiveMessage } from '@trainyard/protocol';
import type { LiveHub } from '../live/hub.ts';
import { LogWindow } from './log-window.ts';

const TAIL_BYTES = 128 * 1024;
const OLDER_BYTES = 128 * 1024;
const LINES_PER_PAGE = 2000;
const ANNOUNCE_MS = 100;

export interface LogSessionOptions {
  readonly api: Pick<Client, 'readLogLines'>;
  readonly hub: Pick<LiveHub, 'subscribe' | 'resubscribe'>;
  readonly runId: string;
  /** An older attempt to show; `undefined` shows the newest and goes on to the next one. */
  readonly attempt: number | undefined;
  /** False for what has ended: it is read once. */
  readonly live: boolean;
}

/**
 * The log of one attempt in a page: the last lines first, older ones on request, new ones live. Bytes that
 * the live feed passed over are read over HTTP, so nothing is missing and nothing twice.
 */
export class LogSession {
  readonly window = new LogWindow();
  readonly #options: LogSessionOptions;
  readonly #abort = new AbortController();
  readonly #listeners = new Set<() => void>();
  #status: 'loading' | 'ready' | 'failed' = 'loading';
  #error: unknown;
  #version = 0;
  #size = 0;
  #topShift = 0;
  #added = 0;
  #olderLoading = false;
  #attemptId: string | undefined;
  #asked = false;
  #unsubscribe: (() => void) | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(options: LogSessionOptions) {
    this.#options = options;
  }

  get status() {
    return this.#status;
  }
  get error(): unknown {
    return this.#error;
  }
  get version(): number {
    return this.#version;
  }
  /** Bytes of the whole log as far as known. */
  get size(): number {
    return Math.max(this.#size, this.window.endOffset);
  }
  /** Rows added less rows removed at the top since the start: by this the page moves its scroll position. */
  get topShift(): number {
    return this.#topShift;
  }
  /** Rows added at the end since the start. */
  get added(): number {
    return this.#added;
  }
  get olderLoading(): boolean {
    return this.#olderLoading;
  }

  watch = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  async start(): Promise<void> {
    try {
      await this.#readTail();
      this.#status = 'ready';
      if (this.#options.live && !this.#abort.signal.aborted) this.#subscribe();
    } catch (error) {
      if (this.#abort.signal.aborted) return;
      this.#status = 'failed';
      this.#error = error;
    }
    this.#announce(true);
  }

  stop(): void {
    this.#abort.abort();
    this.#unsubscribe?.();
    clearTimeout(this.#timer);
  }

  /** Reads lines before the first one that is shown. */
  async loadOlder(): Promise<void> {
    const end = this.window.startOffset;
    if (end === 0 || this.#olderLoading || this.#status !== 'ready') return;
    this.#olderLoading = true;
    this.#announce(true);
    try {
      // A single line may be longer than the reach; it grows until the line fits.
      for (let reach = OLDER_BYTES; ; reach *= 4) {
        const from = Math.max(0, end - reach);
        const page = await this.#readRange(from, end);
        const added = this.window.prependPage(page, from > 0);
        this.#topShift += added;
        if (added > 0 || from === 0) break;
      }
    } catch {
      // It stays as it is; scrolling up tries again.
    } finally {
      this.#olderLoading = false;
      this.#announce(true);
    }
  }

  #subscribe(): void {
    const { hub, runId } = this.#options;
    this.#unsubscribe = hub.subscribe(`log:${runId}`, {
      request: () => ({ op: 'subscribe_log', runId, offset: this.window.endOffset }),
      onMessage: (message) => {
        if (message.type === 'log') this.#onText(message);
        else if (message.type === 'gap') this.#askAgain();
      },
    });
  }

  #onText(message: Extract<LiveMessage, { type: 'log' }>): void {
    if (this.#attemptId !== undefined && this.#attemptId !== message.attemptId) {
      this.window.reset({ items: [], nextOffset: 0 });
    }
    this.#attemptId = message.attemptId;
    const before = this.window.rows.length;
    const dropped = this.window.appendText(message, Date.now());
    if (dropped === 'gap') {
      // What is still on its way from the old subscription is passed over until the new one answers.
      if (!this.#asked) this.#askAgain();
      return;
    }
    this.#asked = false;
    this.#topShift -= dropped;
    this.#added += this.window.rows.length - before + dropped;
    this.#announce(false);
  }

  /** Bytes are missing: the feed is asked to go on from the end of what is here. */
  #askAgain(): void {
    this.#asked = true;
    this.#options.hub.resubscribe(`log:${this.#options.runId}`);
  }

  async #readTail(): Promise<void> {
    // From the first line that begins within so many bytes of the end.
    const first = await this.#readLines(-TAIL_BYTES);
    this.window.reset(first);
    this.#size = first.size;
    for (let page = first; page.items.length > 0 && page.nextOffset < page.size; ) {
      page = await this.#readLines(page.nextOffset);
      this.#topShift -= this.window.appendPage(page);
      this.#size = page.size;
    }
  }

  async #readRange(from: number, to: number): Promise<LogLines> {
    const first = await this.#readLines(from);
    const items = [...first.items];
    let last = first;
    while (last.nextOffset < to) {
      last = await this.#readLines(last.nextOffset);
      if (last.items.length === 0) break;
      items.push(...last.items);
    }
    return { ...last, items };
  }

  #readLines(offset: number): Promise<LogLines> {
    const { api, runId, attempt } = this.#options;
    const { signal } = this.#abort;
    return api.readLogLines(runId, { attempt, offset, limit: LINES_PER_PAGE, signal });
  }

  /** Tells the page; live text at most ten times a second. */
  #announce(now: boolean): void {
    if (this.#abort.signal.aborted) return;
    if (now) {
      clearTimeout(this.#timer);
      this.#tell();
    } else this.#timer ??= setTimeout(() => this.#tell(), ANNOUNCE_MS);
  }

  #tell(): void {
    this.#timer = undefined;
    this.#version += 1;
    for (const listener of this.#listeners) listener();
  }
}
