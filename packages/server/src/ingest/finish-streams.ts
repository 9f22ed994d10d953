import { ATTEMPT_STATUSES, isTerminalAttemptStatus } from '@trainyard/protocol';
import type { ClientBase, Pool } from 'pg';
import { inTransaction } from '../store/transaction.ts';
import { PointsByKey, parseMetricBytes } from './metric-parser.ts';
import { writePoints } from './metric-sql.ts';
import { keepRefusedLines } from './refused-lines.ts';
import { toSeriesPoints } from './series-points.ts';
import { formatOf } from './stored-stream.ts';
import { readStreamBytes, type UnparsedEnd, unparsedEnds, writeStreams } from './stream-sql.ts';

const TERMINAL = ATTEMPT_STATUSES.filter(isTerminalAttemptStatus);
const LINE_END = Buffer.from('\n');

/**
 * Reads the last lines without a line's end of a run's ended attempts. While an attempt runs such a line
 * waits for its rest; afterwards it counts if it is whole. Safe to repeat.
 */
export function finishStreams(pool: Pool, runId: string, now: () => number): Promise<void> {
  return inTransaction(pool, 'read committed', async (client) => {
    for (const end of await unparsedEnds(client, runId, TERMINAL)) await finish(client, end, runId, now());
  });
}

async function finish(client: ClientBase, end: UnparsedEnd, runId: string, nowMs: number): Promise<void> {
  const tail = await readStreamBytes(client, end, end.parsed, end.size);
  const collected = new PointsByKey();
  const state = { parsed: end.parsed, tail: [tail], inLongLine: end.inLongLine, lines: end.lines };
  const { unreadable, problems } = parseMetricBytes(state, LINE_END, nowMs, collected, formatOf(end.stream));
  const stream = { ...end, parsed: end.size, inLongLine: false, newUnreadableLines: unreadable };
  await writeStreams(client, [], [stream], new Date(nowMs));
  await keepRefusedLines(client, end, problems);
  const series = toSeriesPoints({ runId, attemptNumber: end.attemptNumber }, collected.build());
  if (series.length > 0) await writePoints(client, series, 0);
}
