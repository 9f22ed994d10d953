import type { DiagnosisRule, FindingAction, FindingSeverity } from '@trainyard/protocol';
import type { Instant, NullableInstant } from './schema.ts';

/** What rules have found in the metrics of an attempt. */
export interface FindingsTable {
  id: string;
  root_id: string;
  run_id: string;
  attempt_id: string;
  attempt: number;
  rule: DiagnosisRule;
  key: string;
  /** The worst that it was. */
  severity: FindingSeverity;
  action: FindingAction;
  message: string;
  first_step: number | null;
  last_step: number | null;
  first_time: number | null;
  last_time: number | null;
  opened_at: Instant;
  closed_at: NullableInstant;
  acknowledged_at: NullableInstant;
  acknowledged_by: string | null;
}
