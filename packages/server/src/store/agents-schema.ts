import type { MachineTelemetry, OutOfServiceSlot } from '@trainyard/protocol';
import type { Generated } from 'kysely';
import type { Instant, Json, NullableInstant, NullableJson } from './schema.ts';

/** Agents that ever registered. */
export interface AgentsTable {
  id: string;
  name: string;
  hostname: string;
  version: string;
  boot_id: string;
  slots: number;
  gpus: number;
  queues: string[];
  labels: Json<Record<string, string>>;
  /** Its newest look at its machine. */
  telemetry: NullableJson<MachineTelemetry>;
  /** Slots that wait for processes of their last job to be gone. */
  out_of_service: Generated<OutOfServiceSlot[]>;
  last_seen_at: Instant;
  /** Since when it is to take no more work. */
  draining_since: NullableInstant;
  created_at: Generated<Date>;
  /** Of a worker that pulls by the older training API: owner of its key. */
  owner: string | null;
  /** When it registered last: what it claimed before is not renewed by a mere heartbeat. */
  registered_at: NullableInstant;
}
