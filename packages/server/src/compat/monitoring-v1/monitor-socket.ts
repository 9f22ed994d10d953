import type { MonitorMessage } from '@trainyard/protocol';
import type { WebSocket } from 'ws';
import type { Send } from '../../live/subscription.ts';

/** Bytes that may wait in a socket before it is given no more. */
const MAX_BUFFERED_BYTES = 1024 * 1024;
const DRAIN_POLL_MS = 50;

/** The way to one socket of the older monitoring. */
export interface MonitorSocket {
  send(message: MonitorMessage): void;
  /** Resolves when there is room; false when the socket is closed. */
  hasRoom(): Promise<boolean>;
  /** For readers that report their failures as those of the live feed do. */
  readonly feed: Send;
  /** Normal end: nothing more comes. */
  finish(): void;
}

export function toMonitorSocket(socket: WebSocket): MonitorSocket {
  const isOpen = (): boolean => socket.readyState === socket.OPEN;
  const isFull = (): boolean => socket.bufferedAmount > MAX_BUFFERED_BYTES;
  const send = (message: MonitorMessage): void => {
    if (isOpen()) socket.send(JSON.stringify(message));
  };
  const hasRoom = async (): Promise<boolean> => {
    // The ws library announces no drain; a short poll only while a reader is slow.
    while (isOpen() && isFull()) await new Promise((resolve) => setTimeout(resolve, DRAIN_POLL_MS));
    return isOpen();
  };
  socket.on('error', () => socket.terminate());
  return {
    send,
    hasRoom,
    feed: {
      message(message) {
        if (message.type !== 'error') return;
        send({ type: 'error', message: message.message });
        // After any other error nothing more comes; a failed read is tried again.
        if (message.code !== 'INTERNAL') socket.close(1000);
      },
      isFull,
      drained: hasRoom,
    },
    finish: () => socket.close(1000),
  };
}
