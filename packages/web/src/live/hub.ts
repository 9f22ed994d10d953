import type { LiveMessage, LiveRequest } from '@trainyard/protocol';

export type LiveState =
  | { readonly kind: 'connecting' }
  | { readonly kind: 'live' }
  | { readonly kind: 'reconnecting'; readonly sinceMs: number }
  | { readonly kind: 'stale'; readonly sinceMs: number };

export interface LiveSubscriber {
  /**
   * The request to send, asked anew for every connection, so that it carries the cursor reached so far.
   * Of several subscribers to one topic the first one's request is sent.
   */
  readonly request: () => Exclude<LiveRequest, { op: 'unsubscribe' | 'ping' }>;
  readonly onMessage: (message: LiveMessage) => void;
  /** After the request was sent on a new connection: what was read over HTTP before may be old. */
  readonly onSubscribed?: () => void;
}

export interface LiveHubOptions {
  readonly url: () => string;
  readonly protocols: () => string[];
  readonly firstRetryMs?: number;
  readonly maxRetryMs?: number;
  /** Silence after which a ping is sent, and as much again until the connection counts as dead. */
  readonly pingMs?: number;
  /** Time without connection after which the badge says stale. */
  readonly staleMs?: number;
}

/** One WebSocket for the whole page: topics in, messages out, reconnects by itself with growing delays. */
export class LiveHub {
  readonly #options: Required<LiveHubOptions>;
  readonly #topics = new Map<string, Set<LiveSubscriber>>();
  readonly #watchers = new Set<() => void>();
  #socket: WebSocket | undefined;
  #state: LiveState = { kind: 'connecting' };
  #retryTimer: ReturnType<typeof setTimeout> | undefined;
  #staleTimer: ReturnType<typeof setTimeout> | undefined;
  #pingTimer: ReturnType<typeof setInterval> | undefined;
  #failures = 0;
  #heard = true;
  #closed = false;

  constructor(options: LiveHubOptions) {
    this.#options = { firstRetryMs: 500, maxRetryMs: 15_000, pingMs: 15_000, staleMs: 10_000, ...options };
  }

  get state(): LiveState {
    return this.#state;
  }

  /** Calls back when the state changes; returns the function that stops that. */
  watch(watcher: () => void): () => void {
    this.#watchers.add(watcher);
    return () => this.#watchers.delete(watcher);
  }

  connect(): void {
    if (this.#closed || this.#socket !== undefined) return;
    clearTimeout(this.#retryTimer);
    const protocols = this.#options.protocols();
    const socket = new WebSocket(this.#options.url(), protocols);
    this.#socket = socket;
    socket.addEventListener('open', () => this.#onOpen(socket));
    socket.addEventListener('message', (event: MessageEvent) => this.#onMessage(socket, event.data));
    socket.addEventListener('close', () => this.#onClose(socket));
    // An error is always followed by close, which does all there is to do.
    socket.addEventListener('error', () => undefined);
  }

  /** Tries at once instead of waiting for the next retry: the network came back, or the page is seen again. */
  wake(): void {
    if (this.#state.kind !== 'live') this.connect();
    else if (this.#heard) this.#ping();
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#retryTimer);
    clearTimeout(this.#staleTimer);
    clearInterval(this.#pingTimer);
    this.#socket?.close();
    this.#socket = undefined;
  }

  /** `topic` as the server names it: `run:ID`, `metrics:ID`, `log:ID` or `list`. Returns the unsubscribe. */
  subscribe(topic: string, subscriber: LiveSubscriber): () => void {
    const subscribers = this.#topics.get(topic) ?? new Set();
    subscribers.add(subscriber);
    this.#topics.set(topic, subscribers);
    if (subscribers.size === 1) this.#send(subscriber.request());
    if (this.#isOpen()) subscriber.onSubscribed?.();
    return () => {
      subscribers.delete(subscriber);
      if (subscribers.size > 0 || this.#topics.get(topic) !== subscribers) return;
      this.#topics.delete(topic);
      this.#send({ op: 'unsubscribe', topic });
    };
  }

  /** Sends the request of a topic again, with its present cursor: after a gap or when the cursor was set back. */
  resubscribe(topic: string): void {
    const [first] = this.#topics.get(topic) ?? [];
    if (first === undefined) return;
    this.#send({ op: 'unsubscribe', topic });
    this.#send(first.request());
  }

  #onOpen(socket: WebSocket): void {
    if (socket !== this.#socket) return;
    this.#failures = 0;
    this.#heard = true;
    clearTimeout(this.#staleTimer);
    this.#staleTimer = undefined;
    clearInterval(this.#pingTimer);
    this.#pingTimer = setInterval(() => this.#ping(), this.#options.pingMs);
    this.#setState({ kind: 'live' });
    for (const subscribers of this.#topics.values()) {
      const [first] = subscribers;
      if (first !== undefined) this.#send(first.request());
      for (const subscriber of subscribers) subscriber.onSubscribed?.();
    }
  }

  #onMessage(socket: WebSocket, data: unknown): void {
    if (socket !== this.#socket || typeof data !== 'string') return;
    this.#heard = true;
    const message = readMessage(data);
    if (message === undefined || message.type === 'pong') return;
    const topic = message.topic;
    if (topic === undefined) return;
    for (const subscriber of [...(this.#topics.get(topic) ?? [])]) subscriber.onMessage(message);
  }

  #onClose(socket: WebSocket): void {
    if (socket !== this.#socket) return;
    this.#socket = undefined;
    clearInterval(this.#pingTimer);
    if (this.#closed) return;
    this.#lost();
    const { firstRetryMs, maxRetryMs } = this.#options;
    const delayMs = Math.min(maxRetryMs, firstRetryMs * 2 ** this.#failures);
    this.#failures += 1;
    // Half of the delay is random, so that the pages of a restarted server do not all come back at once.
    this.#retryTimer = setTimeout(() => this.connect(), delayMs / 2 + (Math.random() * delayMs) / 2);
  }

  #lost(): void {
    if (this.#state.kind === 'reconnecting' || this.#state.kind === 'stale') return;
    const sinceMs = Date.now();
    this.#setState({ kind: 'reconnecting', sinceMs });
    this.#staleTimer = setTimeout(() => this.#setState({ kind: 'stale', sinceMs }), this.#options.staleMs);
  }

  #ping(): void {
    if (!this.#heard) {
      // Closing a dead connection can take minutes; it is given up here and now.
      const socket = this.#socket;
      socket?.close();
      if (socket !== undefined) this.#onClose(socket);
      return;
    }
    this.#heard = false;
    this.#send({ op: 'ping' });
  }

  #send(request: LiveRequest): void {
    if (this.#isOpen()) this.#socket?.send(JSON.stringify(request));
  }

  #isOpen(): boolean {
    return this.#socket?.readyState === WebSocket.OPEN;
  }

  #setState(state: LiveState): void {
    this.#state = state;
    for (const watcher of this.#watchers) watcher();
  }
}

function readMessage(data: string): LiveMessage | undefined {
  try {
    return JSON.parse(data) as LiveMessage;
  } catch {
    return undefined;
  }
}
