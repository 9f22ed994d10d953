import type {
  Backfill,
  BackfillPlan,
  CreateBackfill,
  CreateSchedule,
  Launch,
  LaunchState,
  Schedule,
} from '@trainyard/protocol';
import type { CallOptions, Page } from './client.ts';
import { type ConnectionOptions, type HttpRequest, send, sendForJson } from './http.ts';

interface LaunchesQuery extends CallOptions {
  readonly state?: LaunchState;
  readonly limit?: number;
  readonly cursor?: string;
}

/** Schedules: runs at instants of a cron pattern. Part of the client (`client.schedules`). Names may be ids. */
export function createSchedulesClient(connection: ConnectionOptions) {
  const json = <T>(request: HttpRequest) => sendForJson<T>(connection, request);
  const post = <T>(path: string, body: unknown, options: CallOptions) =>
    json<T>({ method: 'POST', path, ...(body === undefined ? {} : { json: body }), ...options });
  return {
    add: (body: CreateSchedule, options: CallOptions = {}) =>
      post<Schedule>('/api/v1/schedules', body, options),

    /** By name. */
    list: async (options: CallOptions = {}) =>
      (await json<{ items: Schedule[] }>({ path: '/api/v1/schedules', ...options })).items,

    get: (name: string, options: CallOptions = {}) => json<Schedule>({ path: pathOf(name), ...options }),

    pause: (name: string, { reason, ...options }: CallOptions & { reason?: string } = {}) =>
      post<Schedule>(`${pathOf(name)}/pause`, reason === undefined ? {} : { reason }, options),

    resume: (name: string, options: CallOptions = {}) =>
      post<Schedule>(`${pathOf(name)}/resume`, undefined, options),

    async remove(name: string, options: CallOptions = {}): Promise<void> {
      await send(connection, { method: 'DELETE', path: pathOf(name), ...options });
    },

    /** Plans a run for now; the launch tells what becomes of it. */
    runNow: (name: string, options: CallOptions = {}) =>
      post<Launch>(`${pathOf(name)}/run`, undefined, options),

    /** The instants to come. */
    next: async (name: string, { signal, ...query }: CallOptions & { count?: number } = {}) =>
      (await json<{ items: string[] }>({ path: `${pathOf(name)}/next`, query, signal })).items,

    /** Newest first. */
    launches: (name: string, { signal, ...query }: LaunchesQuery = {}) =>
      json<Page<Launch>>({ path: `${pathOf(name)}/launches`, query, signal }),
  };
}

/** Backfills: runs for all instants of a range. Part of the client (`client.backfills`). */
export function createBackfillsClient(connection: ConnectionOptions) {
  const json = <T>(request: HttpRequest) => sendForJson<T>(connection, request);
  const path = (id: string) => `/api/v1/backfills/${encodeURIComponent(id)}`;
  return {
    add: (body: CreateBackfill, options: CallOptions = {}) =>
      json<Backfill>({ method: 'POST', path: '/api/v1/backfills', json: body, ...options }),

    /** What it would do; nothing is stored. */
    plan: (body: CreateBackfill, options: CallOptions = {}) =>
      json<BackfillPlan>({ method: 'POST', path: '/api/v1/backfills/plan', json: body, ...options }),

    /** Newest first. */
    list: ({ signal, ...query }: CallOptions & { limit?: number; cursor?: string } = {}) =>
      json<Page<Backfill>>({ path: '/api/v1/backfills', query, signal }),

    get: (id: string, options: CallOptions = {}) => json<Backfill>({ path: path(id), ...options }),

    /** Starts nothing more, and cancels what runs. */
    cancel: (id: string, options: CallOptions = {}) =>
      json<Backfill>({ method: 'POST', path: `${path(id)}/cancel`, ...options }),

    /** Latest instant first. */
    launches: (id: string, { signal, ...query }: LaunchesQuery = {}) =>
      json<Page<Launch>>({ path: `${path(id)}/launches`, query, signal }),
  };
}

function pathOf(name: string): string {
  return `/api/v1/schedules/${encodeURIComponent(name)}`;
}
