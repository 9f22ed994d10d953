import type {
  AttemptFailure,
  AttemptStatus,
  AttemptTarget,
  LateReport,
  PauseMode,
  ResumePoint,
} from '@trainyard/protocol';
import type { ColumnType, Generated } from 'kysely';
import type { AttemptLimit } from '../limits/attempt-limit.ts';
import type { Instant, Json, NullableInstant, NullableJson, StoredError } from './schema.ts';

/** What a program with a token of its own has said of its end. */
export interface Announced {
  readonly status: 'completed' | 'failed';
  readonly error: string | null;
}

/** One try of a job. */
export interface AttemptsTable {
  id: string;
  run_id: string;
  root_id: string;
  number: number;
  epoch: number;
  node_index: number;
  status: AttemptStatus;
  queue: string;
  priority: number;
  gpus: number;
  /** What an agent must have among its labels to take it. */
  labels: NullableJson<Record<string, string>>;
  /** Epoch ms from which it counts as waiting; a point of priority is worth an hour. */
  rank: ColumnType<number, never, never>;
  /** Pools and group that it takes part in; null when none. */
  limits: NullableJson<AttemptLimit[]>;
  /** The limit that had no room when its turn came. */
  gate: string | null;
  /** Its group, where the newcomer does not simply wait in it. */
  replacing_group: string | null;
  training_job_id: string | null;
  spec: Json;
  /** Machine and directory; null on the agent's own machine. */
  target: NullableJson<AttemptTarget>;
  agent_id: string | null;
  claim_request: string | null;
  token_hash: Buffer | null;
  /** Of the token that its program has; null where it asks for none. */
  job_token_hash: Buffer | null;
  /** What the program has said of its own end; its exit code does not make a failure a success. */
  announced: NullableJson<Announced>;
  /** The newest change of params that was asked for, of its run, and the newest that its program has answered. */
  params_revision: Generated<number>;
  params_answered: Generated<number>;
  lease_until: NullableInstant;
  unreachable_since: NullableInstant;
  /** By when an agent has to have claimed it; null: it may wait for ever, or is paused in its queue. */
  claim_by: NullableInstant;
  /** Paused in its queue: how much of that time is left. */
  claim_left_ms: number | null;
  cancel_requested_at: NullableInstant;
  /** Why the server ends it as failed or timed out: an end that was asked for is this then. */
  stop_error: NullableJson<StoredError>;
  /** How it was asked to halt; null while it is to run. One that is queued is not handed out meanwhile. */
  pause_mode: PauseMode | null;
  /** Of a released attempt: the checkpoint that the next one goes on from. */
  released_from: NullableJson<ResumePoint>;
  /** What kind of failure it was, and what the log told. */
  failure: NullableJson<AttemptFailure>;
  /** How it ended after it had been given up: evidence only. */
  late_report: NullableJson<LateReport>;
  /** Agents that are not to have it, as long as there are others. */
  excluded_agents: string[] | null;
  /** The agent on whose machine its checkpoint lies; others may have it only while that one is away. */
  preferred_agent: string | null;
  pid: number | null;
  exit_code: number | null;
  signal: string | null;
  error: NullableJson<StoredError>;
  progress: NullableJson<Record<string, unknown>>;
  cleanup_error: string | null;
  undelivered: NullableJson<Record<string, number>>;
  created_at: Instant;
  claimed_at: NullableInstant;
  started_at: NullableInstant;
  /** When it last went on after a pause. */
  resumed_at: NullableInstant;
  ended_at: NullableInstant;
}
