import { streamName } from '@trainyard/protocol';

/**
 * What is stored of an attempt: the streams of its agent, and what its program reports by itself with the token
 * of its job: metrics (`reported`) and `predictions`, one JSON object a line.
 */
export const STORED_STREAMS = [...streamName.options, 'reported', 'predictions'] as const;
export type StoredStream = (typeof STORED_STREAMS)[number];

/** Streams whose every line is a point. */
const OF_POINTS: ReadonlySet<StoredStream> = new Set(['metrics', 'system', 'reported']);

export function hasPoints(stream: StoredStream): boolean {
  return OF_POINTS.has(stream);
}
