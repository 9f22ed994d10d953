import type { jobStatusReport } from '@trainyard/protocol';
import { sql } from 'kysely';
import type { z } from 'zod';
import type { ServerContext } from '../../server-context.ts';
import { jsonbText } from '../../store/jsonb-text.ts';
import { type ReportingJob, requireReporter } from './job-access.ts';
import { OlderRefusal } from './older-error.ts';

/**
 * A program with a token of its own says how it ends. Its agent sees the end and reports it; what the program has
 * said counts then: a failure is one whatever the exit code, with the reason that was given. The first word stays.
 * @throws OlderRefusal for a repeat that says something else, or for what a program cannot decide
 */
export async function announceEnd(
  { database }: Pick<ServerContext, 'database'>,
  reporting: ReportingJob,
  { status, error }: z.infer<typeof jobStatusReport>,
): Promise<void> {
  requireReporter(reporting);
  const { job, attempt, isLate } = reporting;
  if (status === 'cancelled') {
    if (attempt.isCancelRequested || attempt.status === 'cancelled') return;
    const message = `Job ${job.runId} is ${job.status}; a program is cancelled by people, not by itself.`;
    throw new OlderRefusal('INVALID_STATUS', message);
  }
  if (isLate && attempt.status === status) return;
  const said = attempt.announced?.status ?? (isLate ? attempt.status : undefined);
  if (said === status) return;
  if (said !== undefined) {
    throw new OlderRefusal('INVALID_STATUS', `Job ${job.runId} is ${said}; it cannot become ${status}.`);
  }
  await sql`
    update attempts set announced = ${jsonbText({ status, error: error ?? null })}::jsonb
    where id = ${attempt.id} and announced is null and ended_at is null`.execute(database.kysely);
}
