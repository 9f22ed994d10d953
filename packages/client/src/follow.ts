import { isTerminalRunStatus, type Run, type RunEvent } from '@trainyard/protocol';
import type { CallOptions, LogPart, LogQuery } from './client.ts';
import { pause } from './pause.ts';

const DEFAULT_POLL_MS = 500;
const LOG_PART_BYTES = 256 * 1024;

/** The calls that following needs. */
interface Source {
  getRun(id: string, options?: CallOptions): Promise<Run>;
  listEvents(
    id: string,
    options?: CallOptions & { afterSeq?: number; limit?: number },
  ): Promise<{ items: RunEvent[]; nextSeq: number }>;
  readLog(id: string, query?: LogQuery): Promise<LogPart>;
}

/** Polls for events after a sequence number until the run is terminal and nothing is left to give. */
export async function* followEvents(
  source: Source,
  id: string,
  options: CallOptions & { afterSeq?: number; pollMs?: number },
): AsyncGenerator<RunEvent, void> {
  const { signal, pollMs = DEFAULT_POLL_MS } = options;
  let afterSeq = options.afterSeq ?? 0;
  for (;;) {
    // The status first: events that came before a terminal status are then found below.
    const ended = isTerminalRunStatus((await source.getRun(id, { signal })).status);
    for (;;) {
      const { items, nextSeq } = await source.listEvents(id, { afterSeq, signal });
      yield* items;
      if (items.length === 0 || nextSeq <= afterSeq) break;
      afterSeq = nextSeq;
    }
    if (ended) return;
    await pause(pollMs, signal);
  }
}

/** Polls for the bytes of a log until the run (or the attempt asked for) has ended. */
export async function* followLog(
  source: Source,
  id: string,
  options: Omit<LogQuery, 'limit'> & { pollMs?: number },
): AsyncGenerator<LogPart, void> {
  const { signal, pollMs = DEFAULT_POLL_MS } = options;
  let { attempt, offset } = options;
  for (;;) {
    const ended = isTerminalRunStatus((await source.getRun(id, { signal })).status);
    const part = await source.readLog(id, { attempt, offset, limit: LOG_PART_BYTES, signal });
    // Reading goes on in the attempt it began with, whatever is newest by then.
    if (part.attempt > 0) {
      attempt = part.attempt;
      offset = part.nextOffset;
    }
    if (part.bytes.length > 0) yield part;
    if (part.nextOffset < part.size) continue;
    if (part.complete && options.attempt === undefined) {
      const newest = (await source.getRun(id, { signal })).attempt;
      if (attempt !== undefined && newest > attempt) {
        attempt += 1;
        offset = 0;
        continue;
      }
    }
    if (part.complete && (ended || options.attempt !== undefined)) return;
    if (ended && part.attempt === 0) return;
    await pause(pollMs, signal);
  }
}
