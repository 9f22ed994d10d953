import { createHash, randomBytes } from 'node:crypto';
import type { Logger } from 'pino';
import type { Database } from '../store/database.ts';
import type { LiveBus, StreamChange } from './live-bus.ts';
import { openNotifyLink } from './notify-link.ts';
import { type Announcement, PendingAnnouncements, readPayload } from './pending-announcements.ts';

export interface PeerAnnouncements {
  stop(): Promise<void>;
}

/** Least time between two notifications: what happens meanwhile goes out together. */
const MIN_INTERVAL_MS = 10;

/**
 * Tells the other servers of the database what happened here, and puts what they tell on our bus. Nothing
 * depends on it, as with all announcements: they say where to look, and after a break of the link `missed`
 * says that everybody should look.
 */
export async function startPeerAnnouncements(options: {
  readonly database: Database;
  readonly bus: LiveBus;
  readonly log: Logger;
}): Promise<PeerAnnouncements> {
  const { bus, database, log } = options;
  const sender = randomBytes(6).toString('hex');
  const pending = new PendingAnnouncements();
  let isStopped = false;
  /** True while what another server told is put on the bus: it must not be told back. */
  let isRelaying = false;
  let hasMissed = false;
  let flushedAtMs = 0;
  let timer: NodeJS.Timeout | undefined;

  const relay = (told: Announcement): void => {
    isRelaying = true;
    try {
      emit(bus, told);
    } finally {
      isRelaying = false;
    }
  };
  const link = await openNotifyLink({
    clientConfig: database.clientConfig,
    channel: channelOf(database.schema),
    log,
    onPayload(text) {
      const payload = readPayload(text);
      // PostgreSQL tells the sender too.
      if (payload !== undefined && payload.from !== sender) payload.all.forEach(relay);
    },
    onConnected() {
      relay({ t: 'missed' });
      if (hasMissed) tell({ t: 'missed' });
      hasMissed = false;
    },
  });

  const flush = async (): Promise<void> => {
    timer = undefined;
    flushedAtMs = Date.now();
    if (!(await link.send(pending.take(sender)))) hasMissed = true;
  };
  function tell(announcement: Announcement): void {
    if (isRelaying || isStopped) return;
    pending.add(announcement);
    timer ??= setTimeout(() => void flush(), Math.max(0, flushedAtMs + MIN_INTERVAL_MS - Date.now()));
  }
  const ears = listen(bus, tell);

  return {
    async stop() {
      isStopped = true;
      ears.end();
      clearTimeout(timer);
      // What was decided last is told still, so that others need not wait for their next look.
      await link.send(pending.take(sender));
      await link.stop();
    },
  };
}

/** The schema's own channel; hashed because a channel's name is shorter than a schema's may be. */
export function channelOf(schema: string): string {
  return `trainyard_${createHash('sha256').update(schema).digest('hex').slice(0, 16)}`;
}

function listen(bus: LiveBus, tell: (announcement: Announcement) => void): { end(): void } {
  const onWork = (): void => tell({ t: 'work' });
  const onInbox = (): void => tell({ t: 'inbox' });
  const onTree = ({ rootId, events }: { rootId: string; events: readonly { seq: number }[] }): void => {
    const last = events.at(-1);
    if (last !== undefined) tell({ t: 'tree', r: rootId, s: last.seq });
  };
  const onStream = (change: StreamChange): void => {
    const { runId, attemptId, stream, offset, size } = change;
    tell({ t: 'stream', u: runId, a: attemptId, n: stream, o: offset, z: size });
  };
  bus
    .on('work', onWork)
    .on('inbox', onInbox)
    .on('claimed', onInbox)
    .on('tree', onTree)
    .on('stream', onStream);
  return {
    end() {
      bus
        .off('work', onWork)
        .off('inbox', onInbox)
        .off('claimed', onInbox)
        .off('tree', onTree)
        .off('stream', onStream);
    },
  };
}

function emit(bus: LiveBus, told: Announcement): void {
  switch (told.t) {
    case 'work':
      bus.emit('work');
      return;
    case 'inbox':
      bus.emit('inbox');
      return;
    case 'missed':
      bus.emit('missed');
      bus.emit('work');
      bus.emit('inbox');
      return;
    case 'tree':
      bus.emit('remoteTree', { rootId: told.r, seq: told.s });
      return;
    case 'stream':
      bus.emit('remoteStream', {
        runId: told.u,
        attemptId: told.a,
        stream: told.n,
        offset: told.o,
        size: told.z,
      });
      return;
    default:
      told satisfies never;
  }
}
