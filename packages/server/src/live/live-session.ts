import { type LiveMessage, liveRequest, TrainyardError } from '@trainyard/protocol';
import type { WebSocket } from 'ws';
import { findUnstorableText } from '../storable-text.ts';
import { subscribeList } from './subscribe-list.ts';
import { subscribeLog } from './subscribe-log.ts';
import { subscribeMetrics } from './subscribe-metrics.ts';
import { subscribeRun } from './subscribe-run.ts';
import type { LiveSources, Send, Subscription } from './subscription.ts';

/** Subscriptions of one socket: enough for a page full of charts. */
const MAX_SUBSCRIPTIONS = 500;
/** Bytes that may wait in a socket before its subscriptions pause: a slow reader costs no more than this. */
const MAX_BUFFERED_BYTES = 1024 * 1024;
const DRAIN_POLL_MS = 50;

export interface LiveSession {
  end(): void;
}

/** Serves one live socket: requests in, messages out, nothing of it blocks other sockets. */
export function createLiveSession(socket: WebSocket, sources: LiveSources): LiveSession {
  const subscriptions = new Map<string, Subscription>();
  let isOpen = true;
  const transmit = (message: LiveMessage): void => {
    if (isOpen && socket.readyState === socket.OPEN) socket.send(JSON.stringify(message));
  };
  const send: Send = {
    message: transmit,
    isFull: () => socket.bufferedAmount > MAX_BUFFERED_BYTES,
    async drained() {
      // The ws library announces no drain; a short poll only while a reader is slow.
      while (isOpen && socket.bufferedAmount > MAX_BUFFERED_BYTES) {
        await new Promise((resolve) => setTimeout(resolve, DRAIN_POLL_MS));
      }
      return isOpen;
    },
  };

  const add = (topic: string, open: (send: Send) => Subscription): void => {
    subscriptions.get(topic)?.end();
    subscriptions.delete(topic);
    if (subscriptions.size >= MAX_SUBSCRIPTIONS) {
      transmit({
        type: 'error',
        topic,
        code: 'TOO_MANY_REQUESTS',
        message: `At most ${MAX_SUBSCRIPTIONS} subscriptions.`,
      });
      return;
    }
    // A read that is under way when a subscription ends must not speak for the one that follows it.
    let isWanted = true;
    const subscription = open({
      ...send,
      message: (message) => {
        if (isWanted) transmit(message);
      },
    });
    const end = (): void => {
      isWanted = false;
      subscription.end();
    };
    subscriptions.set(topic, { end });
  };

  const handle = (text: string): void => {
    const request = liveRequest.parse(JSON.parse(text));
    if (findUnstorableText(request, 'message') !== undefined) {
      throw new TrainyardError(
        'INVALID_REQUEST',
        'The message holds a NUL character or half a surrogate pair.',
      );
    }
    switch (request.op) {
      case 'subscribe_run':
        add(`run:${request.rootId}`, (own) => subscribeRun(sources, own, request));
        return;
      case 'subscribe_metrics':
        add(`metrics:${request.runId}`, (own) => subscribeMetrics(sources, own, request.runId));
        return;
      case 'subscribe_log':
        add(`log:${request.runId}`, (own) => subscribeLog(sources, own, request));
        return;
      case 'subscribe_list':
        add('list', (own) => subscribeList(sources, own));
        return;
      case 'unsubscribe':
        subscriptions.get(request.topic)?.end();
        subscriptions.delete(request.topic);
        return;
      case 'ping':
        transmit({ type: 'pong' });
        return;
      default:
        request satisfies never;
    }
  };

  socket.on('message', (data, isBinary) => {
    try {
      if (isBinary) throw new TrainyardError('INVALID_REQUEST', 'Messages are JSON text.');
      handle(String(data));
    } catch (error) {
      const message =
        error instanceof TrainyardError
          ? error.message
          : 'The message is not a request of the live protocol.';
      transmit({ type: 'error', code: 'INVALID_REQUEST', message });
    }
  });
  socket.on('error', () => socket.terminate());

  return {
    end() {
      isOpen = false;
      for (const subscription of subscriptions.values()) subscription.end();
      subscriptions.clear();
    },
  };
}
