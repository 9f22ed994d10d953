import type { RunEvent } from '@trainyard/protocol';

/** The newest events of a root run, in order of `seq`, without repeats. */
export interface EventBuffer {
  readonly items: readonly RunEvent[];
  /** Highest `seq` seen: the cursor of the feed, and, as counting starts at 1, how many there are. */
  readonly lastSeq: number;
}

export const EMPTY_EVENTS: EventBuffer = { items: [], lastSeq: 0 };
/** Events kept in a page; older ones are read from the server. */
export const MAX_EVENTS = 5000;

export function addEvents(buffer: EventBuffer, events: readonly RunEvent[]): EventBuffer {
  const fresh = events.filter((event) => event.seq > buffer.lastSeq).sort((a, b) => a.seq - b.seq);
  const items = [...buffer.items];
  let lastSeq = buffer.lastSeq;
  for (const event of fresh) {
    if (event.seq <= lastSeq) continue;
    items.push(event);
    lastSeq = event.seq;
  }
  return { items: items.slice(-MAX_EVENTS), lastSeq };
}
