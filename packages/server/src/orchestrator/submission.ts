import { createHash } from 'node:crypto';
import type { Plan } from '@trainyard/dag';
import type { PipelineDefinition } from '@trainyard/protocol';

/** A run to be stored and started; its definition is checked and its params are resolved. */
export interface Submission {
  readonly definition: PipelineDefinition;
  readonly plan: Plan;
  readonly source: string;
  readonly params: Record<string, unknown>;
  readonly baseDir: string | null;
  readonly fileName: string | null;
  readonly idempotencyKey: string | null;
}

/** Tells whether two submissions ask for the same: one idempotency key stands for one of them. */
export function requestHash({ source, params, baseDir }: Submission): string {
  return createHash('sha256')
    .update(JSON.stringify([source, params, baseDir]))
    .digest('hex');
}
