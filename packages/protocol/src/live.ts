import { z } from 'zod';
import { event, metricPoint, run, runListItem } from './api.ts';

/** Messages from a client to `/api/v1/live`. */
export const liveRequest = z.discriminatedUnion('op', [
  /** Events of a root run after `afterSeq`, and the status of its runs as they change. */
  z.strictObject({
    op: z.literal('subscribe_run'),
    rootId: z.string().max(100),
    afterSeq: z.int().min(0).default(0),
  }),
  /** New metric points of a run; the first answer starts at the end of what is stored. */
  z.strictObject({ op: z.literal('subscribe_metrics'), runId: z.string().max(100) }),
  /** Log bytes of a run's newest attempt from `offset` on. */
  z.strictObject({
    op: z.literal('subscribe_log'),
    runId: z.string().max(100),
    offset: z.int().min(0).default(0),
  }),
  /** Root runs that are created or change status. */
  z.strictObject({ op: z.literal('subscribe_list') }),
  z.strictObject({ op: z.literal('unsubscribe'), topic: z.string().max(200) }),
  z.strictObject({ op: z.literal('ping') }),
]);
export type LiveRequest = z.input<typeof liveRequest>;

/** Messages from the server. `topic` is `run:ID`, `metrics:ID`, `log:ID` or `list`. */
export const liveMessage = z.discriminatedUnion('type', [
  z.object({ type: z.literal('events'), topic: z.string(), events: z.array(event) }),
  z.object({ type: z.literal('runs'), topic: z.string(), runs: z.array(z.union([runListItem, run])) }),
  z.object({
    type: z.literal('points'),
    topic: z.string(),
    points: z.record(z.string(), z.array(metricPoint)),
  }),
  z.object({
    type: z.literal('log'),
    topic: z.string(),
    attemptId: z.string(),
    /** Byte offset of `text` in the attempt's log and of the byte after it. */
    offset: z.int(),
    nextOffset: z.int(),
    text: z.string(),
  }),
  /** The client was too slow; fetch over HTTP what lies before this message. */
  z.object({ type: z.literal('gap'), topic: z.string() }),
  z.object({ type: z.literal('error'), topic: z.string().optional(), code: z.string(), message: z.string() }),
  z.object({ type: z.literal('pong') }),
]);
export type LiveMessage = z.infer<typeof liveMessage>;
