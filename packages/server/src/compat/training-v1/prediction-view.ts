import type { JsonValue } from '@trainyard/protocol';
import type { Database } from '../../store/database.ts';
import { readLogView } from './log-view.ts';

/** A prediction as it was sent, with its number and the time when it came. */
interface StoredPrediction {
  readonly index: number;
  readonly timestamp: string;
  readonly prediction: JsonValue;
  readonly [key: string]: JsonValue;
}

/** Predictions from number `offset` on; the numbers stay when old ones leave the view, as those of log lines. */
export async function readPredictions(
  database: Database,
  attempt: { readonly id: string; readonly endedAt: Date | null },
  page: { readonly offset: number; readonly limit: number },
) {
  const stored = { id: attempt.id, hasEnded: attempt.endedAt !== null };
  const view = await readLogView(database, stored, page, 'predictions');
  const predictions = view.lines.map((line, index) => ({
    ...(JSON.parse(line) as Omit<StoredPrediction, 'index'>),
    index: view.offset + index,
  })) as StoredPrediction[];
  return {
    predictions,
    total: view.totalLines,
    offset: view.offset,
    first_offset: view.firstOffset,
  };
}
