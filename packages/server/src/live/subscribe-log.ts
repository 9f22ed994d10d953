import type { Attempt } from '@trainyard/protocol';
import { isTerminalAttemptStatus, TrainyardError } from '@trainyard/protocol';
import { readLogBytes } from '../ingest/index.ts';
import type { LiveTopics } from './live-bus.ts';
import { createPump, type LiveSources, type Send, type Subscription } from './subscription.ts';
import { utf8PrefixLength } from './utf8-prefix.ts';

const BYTES_PER_MESSAGE = 128 * 1024;

/** The log of a run's newest attempt from a byte offset on; goes over to the next attempt when one starts. */
export function subscribeLog(
  { bus, database, reads, log }: LiveSources,
  send: Send,
  request: { readonly runId: string; readonly offset: number },
): Subscription {
  const topic = `log:${request.runId}`;
  let attempt: Attempt | undefined;
  let offset = request.offset;

  const pump = createPump({
    send,
    async step() {
      const newest = (await reads.attempts(request.runId)).at(-1);
      if (newest === undefined) return false;
      if (attempt !== undefined && newest.id !== attempt.id) offset = 0;
      attempt = newest;
      const part = await readLogBytes(database, attempt.id, offset, BYTES_PER_MESSAGE);
      // A character whose last bytes are still to come waits for them, unless none will come.
      const isAll = part.offset + part.bytes.length >= part.size && isTerminalAttemptStatus(attempt.status);
      const length = isAll ? part.bytes.length : utf8PrefixLength(part.bytes);
      if (length === 0) return false;
      const nextOffset = part.offset + length;
      const text = part.bytes.subarray(0, length).toString('utf8');
      send.message({ type: 'log', topic, attemptId: attempt.id, offset: part.offset, nextOffset, text });
      offset = nextOffset;
      return nextOffset < part.size;
    },
    onError(error) {
      if (!(error instanceof TrainyardError)) log.warn({ err: error }, 'live log');
      send.message({ type: 'error', topic, code: 'INTERNAL', message: 'The log could not be read.' });
    },
  });

  const onStream = ({ runId, stream }: LiveTopics['stream'][0]): void => {
    if (runId === request.runId && stream === 'log') pump.wake();
  };
  // The end of an attempt releases a last incomplete character.
  const onTree = ({ runs }: LiveTopics['tree'][0]): void => {
    if (runs.some((run) => run.id === request.runId)) pump.wake();
  };
  bus.on('stream', onStream);
  bus.on('tree', onTree);
  pump.wake();
  return {
    end() {
      bus.off('stream', onStream);
      bus.off('tree', onTree);
      pump.end();
    },
  };
}
