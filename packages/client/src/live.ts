import type { LiveMessage, LiveRequest } from '@trainyard/protocol';
import { baseUrl, type ConnectionOptions } from './http.ts';

export type LiveState = 'connecting' | 'live' | 'reconnecting' | 'closed';

export interface LiveOptions extends Omit<ConnectionOptions, 'fetch'> {
  readonly onState?: ((state: LiveState) => void) | undefined;
  /** First and longest wait before connecting again. Defaults 250 ms and 10 s. */
  readonly retryFirstMs?: number | undefined;
  readonly retryMaxMs?: number | undefined;
}

export type LiveSubscription = Extract<
  LiveRequest,
  { op: 'subscribe_run' | 'subscribe_metrics' | 'subscribe_log' | 'subscribe_list' }
>;
export type LiveTopicMessage = Exclude<LiveMessage, { type: 'pong' }>;

export interface LiveConnection {
  readonly state: LiveState;
  /**
   * Starts a subscription and gives the function that ends it. One subscription per topic: a second one for
   * the same topic takes the place of the first.
   *
   * After a lost connection it goes on by itself: events and logs from where they were; metrics and lists,
   * which have no cursor, with a message of type `gap` (fetch again over HTTP).
   */
  subscribe(request: LiveSubscription, onMessage: (message: LiveTopicMessage) => void): () => void;
  close(): void;
}

interface Entry {
  request: LiveSubscription;
  readonly onMessage: (message: LiveTopicMessage) => void;
  /** The attempt that the log offset counts in. */
  attemptId?: string;
}

/** Opens the live feed, `/api/v1/live`, and keeps it open until `close`. Runs in browsers and in Node. */
export function connectLive(options: LiveOptions): LiveConnection {
  return new ReconnectingLive(options);
}

class ReconnectingLive implements LiveConnection {
  readonly #options: LiveOptions;
  readonly #entries = new Map<string, Entry>();
  #socket: WebSocket | undefined;
  #state: LiveState = 'connecting';
  #failures = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(options: LiveOptions) {
    this.#options = options;
    this.#connect();
  }

  get state(): LiveState {
    return this.#state;
  }

  subscribe(request: LiveSubscription, onMessage: (message: LiveTopicMessage) => void): () => void {
    const topic = topicOf(request);
    const entry: Entry = { request: { ...request }, onMessage };
    this.#entries.set(topic, entry);
    this.#send(entry.request);
    return () => {
      if (this.#entries.get(topic) !== entry) return;
      this.#entries.delete(topic);
      this.#send({ op: 'unsubscribe', topic });
    };
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#setState('closed');
    this.#entries.clear();
    this.#socket?.close();
  }

  #connect(): void {
    const { url, token } = this.#options;
    const address = `${baseUrl(url).replace(/^http/, 'ws')}/api/v1/live`;
    // Browsers cannot set headers on a WebSocket; the token travels as a subprotocol.
    const socket = new WebSocket(address, token === undefined ? [] : [`bearer.${token}`]);
    this.#socket = socket;
    socket.addEventListener('open', () => {
      const isAgain = this.#failures > 0;
      this.#failures = 0;
      this.#setState('live');
      for (const [topic, entry] of this.#entries) {
        const { op } = entry.request;
        const hasNoCursor = op === 'subscribe_metrics' || op === 'subscribe_list';
        this.#send(entry.request);
        if (isAgain && hasNoCursor) entry.onMessage({ type: 'gap', topic });
      }
    });
    socket.addEventListener('message', (event) => {
      if (this.#socket === socket && this.#state !== 'closed') this.#receive(String(event.data));
    });
    // An error is always followed by a close.
    socket.addEventListener('error', () => undefined);
    socket.addEventListener('close', () => this.#reconnect(socket));
  }

  #reconnect(socket: WebSocket): void {
    if (this.#socket !== socket || this.#state === 'closed') return;
    this.#failures += 1;
    this.#setState('reconnecting');
    const { retryFirstMs = 250, retryMaxMs = 10_000 } = this.#options;
    const limitMs = Math.min(retryMaxMs, retryFirstMs * 2 ** Math.min(this.#failures - 1, 20));
    // Half of the wait is random, so that a thousand pages do not come back in the same instant.
    this.#timer = setTimeout(() => this.#connect(), limitMs * (0.5 + Math.random() / 2));
  }

  #receive(text: string): void {
    let message: LiveMessage;
    try {
      message = JSON.parse(text) as LiveMessage;
    } catch {
      return;
    }
    if (message.type === 'pong' || message.topic === undefined) return;
    const entry = this.#entries.get(message.topic);
    if (entry === undefined) return;
    if (this.#advance(entry, message)) entry.onMessage(message);
  }

  /** Moves the cursor of the subscription; false when the message belongs to another attempt's log. */
  #advance(entry: Entry, message: LiveTopicMessage): boolean {
    if (message.type === 'events' && entry.request.op === 'subscribe_run') {
      entry.request.afterSeq = message.events.at(-1)?.seq ?? entry.request.afterSeq;
    }
    if (message.type === 'log' && entry.request.op === 'subscribe_log') {
      const isOther = entry.attemptId !== undefined && entry.attemptId !== message.attemptId;
      entry.attemptId = message.attemptId;
      if (isOther && message.offset > 0) {
        // The run was retried while the connection was down: the new log is read from its begin.
        entry.request.offset = 0;
        this.#send(entry.request);
        return false;
      }
      entry.request.offset = message.nextOffset;
    }
    return true;
  }

  #send(request: LiveRequest): void {
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify(request));
  }

  #setState(state: LiveState): void {
    if (this.#state === state) return;
    this.#state = state;
    this.#options.onState?.(state);
  }
}

function topicOf(request: LiveSubscription): string {
  switch (request.op) {
    case 'subscribe_run':
      return `run:${request.rootId}`;
    case 'subscribe_metrics':
      return `metrics:${request.runId}`;
    case 'subscribe_log':
      return `log:${request.runId}`;
    case 'subscribe_list':
      return 'list';
    default:
      return request satisfies never;
  }
}
