import type { LiveMessage, LiveRequest } from '@trainyard/protocol';
import WebSocket from 'ws';

/** A client of the live feed that keeps all it gets. */
export interface TestLiveSocket {
  readonly socket: WebSocket;
  readonly messages: readonly LiveMessage[];
  /** Set when the connection is closed. */
  readonly closedWith: number | undefined;
  send(request: LiveRequest): void;
  /** The first message that fits, of those that came or will come within ten seconds. */
  next<T extends LiveMessage['type']>(
    type: T,
    fits?: (message: Extract<LiveMessage, { type: T }>) => boolean,
  ): Promise<Extract<LiveMessage, { type: T }>>;
  /** Resolves when `holds` holds after a message. */
  until(holds: (messages: readonly LiveMessage[]) => boolean): Promise<void>;
  close(): Promise<void>;
}

/**
 * Connects to `/api/v1/live`.
 * @throws Error naming the HTTP status when the server refuses
 */
export async function openLiveSocket(
  url: string,
  options: { readonly headers?: Record<string, string>; readonly protocols?: string[] },
): Promise<TestLiveSocket> {
  const socket = new WebSocket(`${url.replace('http', 'ws')}/api/v1/live`, options.protocols ?? [], {
    headers: options.headers ?? {},
  });
  const messages: LiveMessage[] = [];
  let onChange: (() => void)[] = [];
  let closedWith: number | undefined;
  const changed = (): void => {
    for (const call of onChange.splice(0)) call();
  };
  socket.on('message', (data) => {
    messages.push(JSON.parse(String(data)) as LiveMessage);
    changed();
  });
  const closed = new Promise<void>((resolve) => {
    socket.on('close', (code) => {
      closedWith = code;
      changed();
      resolve();
    });
  });
  await new Promise<void>((resolve, reject) => {
    socket.on('open', resolve);
    socket.on('error', reject);
  });

  const until = async (holds: (messages: readonly LiveMessage[]) => boolean): Promise<void> => {
    const deadlineMs = Date.now() + DEADLINE_MS;
    while (!holds(messages)) {
      if (Date.now() > deadlineMs)
        throw new Error(`not within ${DEADLINE_MS} ms; got ${JSON.stringify(messages).slice(-3000)}`);
      await new Promise<void>((resolve) => {
        const timeout = setTimeout(resolve, 500);
        onChange = [
          ...onChange,
          () => {
            clearTimeout(timeout);
            resolve();
          },
        ];
      });
    }
  };

  return {
    socket,
    messages,
    get closedWith() {
      return closedWith;
    },
    send: (request) => socket.send(JSON.stringify(request)),
    until,
    async next(type, fits = () => true) {
      type Wanted = Extract<LiveMessage, { type: typeof type }>;
      const find = () =>
        messages.find((message): message is Wanted => message.type === type && fits(message as Wanted));
      await until(() => find() !== undefined);
      return find()!;
    },
    close() {
      socket.terminate();
      return closed;
    },
  };
}

/** As elsewhere in the suite: a loaded machine takes its time for megabytes of messages. */
const DEADLINE_MS = 30_000;
