import type { DeliveryStatus, JsonValue } from '@trainyard/protocol';
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

/** Tables of what starts runs by itself and of what tells others about them. */
export interface AutomationSchema {
  webhooks: WebhooksTable;
  webhook_outbox: WebhookOutboxTable;
  webhook_deliveries: WebhookDeliveriesTable;
  triggers: TriggersTable;
}
