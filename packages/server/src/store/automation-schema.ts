import type {
  CatchUpPolicy,
  DeliveryStatus,
  JsonValue,
  LaunchState,
  OverlapPolicy,
  RunStatus,
} from '@trainyard/protocol';
import type { Generated } from 'kysely';
import type { Instant, Json, NullableInstant } from './schema.ts';

export interface WebhooksTable {
  id: string;
  url: string;
  events: string[];
  /** Types of rows in `events` that its events come from. */
  event_types: string[];
  pipeline: string | null;
  /** Sealed: see auth/secret-box.ts. */
  secret: Buffer;
  secret_key_id: string;
  created_at: Instant;
}

/** One row per event that some webhook asks for, until the sender has made messages of it. */
export interface WebhookOutboxTable {
  id: Generated<number>;
  webhook_ids: string[];
  root_id: string;
  seq: number;
  run_id: string;
  type: string;
  at: Instant;
  data: Json<Record<string, unknown>>;
}

export interface WebhookDeliveriesTable {
  /** The message's id, the same for every attempt. */
  id: string;
  webhook_id: string;
  type: string;
  root_id: string | null;
  seq: number | null;
  body: string;
  status: DeliveryStatus;
  attempts: Generated<number>;
  /** Pending: when it is sent next. While it is being sent: when it counts as lost and is sent again. */
  next_attempt_at: NullableInstant;
  response_status: number | null;
  response_body: string | null;
  error: string | null;
  duration_ms: number | null;
  created_at: Instant;
  ended_at: NullableInstant;
}

/** A pipeline that may be started by a signed request from outside. */
export interface TriggersTable {
  id: string;
  name: string;
  pipeline: string;
  /** Null: the newest one. */
  version: number | null;
  /** Values with `${{ payload… }}`. */
  params: Json<Record<string, JsonValue>>;
  condition: string | null;
  secret: Buffer;
  secret_key_id: string;
  created_at: Instant;
  last_run_id: string | null;
  last_run_at: NullableInstant;
}

/** Starts runs of a registered pipeline at instants of a cron pattern. */
export interface SchedulesTable {
  id: string;
  name: string;
  pipeline: string;
  version: number | null;
  /** Values with `${{ schedule… }}`. */
  params: Json<Record<string, JsonValue>>;
  cron: string;
  timezone: string;
  catch_up: CatchUpPolicy;
  overlap: OverlapPolicy;
  jitter_ms: number;
  start_at: NullableInstant;
  end_at: NullableInstant;
  /** The next instant that nothing was decided about; null when none follows. */
  next_at: NullableInstant;
  /** The same with its jitter. */
  due_at: NullableInstant;
  paused_at: NullableInstant;
  pause_reason: string | null;
  created_at: Instant;
}

/** Runs of a registered pipeline for a range of instants. */
export interface BackfillsTable {
  id: string;
  pipeline: string;
  version: number;
  params: Json<Record<string, JsonValue>>;
  cron: string | null;
  every_ms: number | null;
  timezone: string;
  from_at: Instant;
  /** Not included. */
  to_at: Instant;
  max_parallel: number;
  newest_first: boolean;
  created_at: Instant;
  cancelled_at: NullableInstant;
}

/** A run that a schedule or a backfill has planned. */
export interface LaunchesTable {
  id: Generated<number>;
  /** Id of the schedule or the backfill. */
  owner_id: string;
  pipeline: string;
  at: Instant;
  state: LaunchState;
  reason: string | null;
  is_manual: Generated<boolean>;
  /** Set while it is starting: then the server that starts it counts as dead. */
  claimed_until: NullableInstant;
  run_id: string | null;
  run_status: RunStatus | null;
  cancel_requested_at: NullableInstant;
  created_at: Instant;
}

/** Tables of what starts runs by itself and of what tells others about them. */
export interface AutomationSchema {
  webhooks: WebhooksTable;
  webhook_outbox: WebhookOutboxTable;
  webhook_deliveries: WebhookDeliveriesTable;
  triggers: TriggersTable;
  schedules: SchedulesTable;
  backfills: BackfillsTable;
  launches: LaunchesTable;
}
