import { type Attempt, isTerminalAttemptStatus } from '@trainyard/protocol';
import { readLogBytes } from '../ingest/index.ts';
import type { LiveTopics, StreamChange } from './live-bus.ts';
import { createPump, type LiveSources, type Send, type Subscription } from './subscription.ts';
import { utf8PrefixLength } from './utf8-prefix.ts';

const BYTES_PER_MESSAGE = 128 * 1024;

/**
 * The log of a run's newest attempt from a byte offset on. When a new attempt starts, the log of the one
 * before is given to its end first.
 */
export function subscribeLog(
  { bus, database, runs, reads, log }: LiveSources,
  send: Send,
  request: { readonly runId: string; readonly offset: number },
): Subscription {
  const { runId } = request;
  const topic = `log:${runId}`;
  let rootId: string | undefined;
  let attemptId: string | undefined;
  let offset = request.offset;

  /** Sends what follows of an attempt's log; true if there may be more of it. */
  const sendPart = async (attempt: Attempt): Promise<boolean> => {
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
  };

  const pump = createPump({
    send,
    async step() {
      rootId ??= (await runs.get(runId)).rootId;
      const attempts = await reads.attempts(runId);
      const newest = attempts.at(-1);
      if (newest === undefined) return false;
      const current = attempts.find((attempt) => attempt.id === attemptId) ?? newest;
      attemptId = current.id;
      if (await sendPart(current)) return true;
      if (current === newest) return false;
      attemptId = newest.id;
      offset = 0;
      return true;
    },
    topic,
    log,
  });

  const onStream = (change: StreamChange): void => {
    if (change.runId === runId && change.stream === 'log') pump.wake();
  };
  // The end of an attempt releases a last incomplete character.
  const onTree = ({ runs: rows }: LiveTopics['tree'][0]): void => {
    if (rows.some((row) => row.id === runId)) pump.wake();
  };
  const onRemoteTree = (change: LiveTopics['remoteTree'][0]): void => {
    if (rootId === undefined || change.rootId === rootId) pump.wake();
  };
  const onMissed = (): void => pump.wake();
  bus.on('stream', onStream).on('remoteStream', onStream).on('tree', onTree);
  bus.on('remoteTree', onRemoteTree).on('missed', onMissed);
  pump.wake();
  return {
    end() {
      bus.off('stream', onStream).off('remoteStream', onStream).off('tree', onTree);
      bus.off('remoteTree', onRemoteTree).off('missed', onMissed);
      pump.end();
    },
  };
}
