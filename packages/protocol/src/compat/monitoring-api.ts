import { z } from 'zod';

/** Numbers of the older monitoring sockets. */
export const MONITORING = {
  /** How often a live socket looks again, if nothing wakes it before. */
  pollMs: 1000,
  /** Lines that are sent before the reader's pace is looked at again. */
  linesPerTurn: 10,
  minSpeed: 0.1,
  maxSpeed: 10,
  /** Longest time between two points of a playback at speed 1, and that of points that tell no step time. */
  maxIntervalMs: 2000,
  usualIntervalMs: 500,
  defaultRows: 1000,
  maxRows: 5000,
} as const;

const step = z.coerce.number().int().min(0).max(Number.MAX_SAFE_INTEGER);

export const metricRowsQuery = z.object({
  start_step: step.default(0),
  end_step: step.optional(),
  limit: z.coerce.number().int().min(1).max(MONITORING.maxRows).default(MONITORING.defaultRows),
});

export const playbackQuery = z.object({
  start_step: step.default(0),
  end_step: step.optional(),
  speed: z.coerce.number().min(MONITORING.minSpeed).max(MONITORING.maxSpeed).default(1),
});
export type PlaybackQuery = z.infer<typeof playbackQuery>;

/** The metrics of one step: its numbers by name, and what the status file said about the step. */
export const metricRow = z.looseObject({
  step: z.int(),
  /** Epoch seconds. */
  timestamp: z.number(),
  anomaly_detected: z.boolean(),
  anomaly_reason: z.string().nullable(),
});
export type MetricRow = z.infer<typeof metricRow>;

/** What the older monitoring sockets say. */
export type MonitorMessage =
  /** Of a live socket: the object of a metrics line as the program wrote it. */
  | { readonly type: 'metric'; readonly data: Readonly<Record<string, unknown>> }
  | { readonly type: 'status'; readonly data: Readonly<Record<string, unknown>> }
  | { readonly type: 'finished'; readonly status: string }
  | { readonly type: 'error'; readonly message: string }
  | {
      readonly type: 'playback_info';
      readonly total: number;
      readonly start_step: number;
      readonly end_step: number | null;
      readonly speed: number;
    }
  /** Of a playback; `progress` is from 0 to 1. */
  | {
      readonly type: 'metric';
      readonly data: MetricRow;
      readonly progress: number;
      readonly current_index: number;
      readonly total: number;
    }
  | { readonly type: 'playback_complete'; readonly total: number };
