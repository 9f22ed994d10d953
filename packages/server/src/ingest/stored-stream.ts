import { streamName } from '@trainyard/protocol';

/**
 * What is stored of an attempt: the streams of its agent, and what its program reports by itself with the token
 * of its job: metrics (`reported`) and `predictions`, one JSON object a line.
 */
export const STORED_STREAMS = [...streamName.options, 'reported', 'predictions'] as const;
export type StoredStream = (typeof STORED_STREAMS)[number];

/** Streams whose every line is a point. */
export const POINT_STREAMS = ['metrics', 'system', 'reported'] as const satisfies StoredStream[];
const OF_POINTS: ReadonlySet<StoredStream> = new Set(POINT_STREAMS);

export function hasPoints(stream: StoredStream): boolean {
  return OF_POINTS.has(stream);
}

/** `json`: every line is a point. `console`: some lines of a log are, and the others are no faults. */
export type LineFormat = 'json' | 'console';

/** How points are read from the lines of a stream, if they are. */
export function formatOf(stream: StoredStream): LineFormat {
  return stream === 'log' ? 'console' : 'json';
}
