import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Attempt, attemptFiles, type MetricPoint } from '@trainyard/protocol';
import { type LedgerLine, outputOf, pointValue } from './job-spec.ts';
import type { PatientClient } from './patient-client.ts';
import type { SoakCluster } from './soak-cluster.ts';
import type { SoakFaults } from './soak-faults.ts';
import type { SoakJob } from './soak-load.ts';

interface JobFacts {
  readonly cluster: SoakCluster;
  readonly client: PatientClient;
  readonly faults: SoakFaults;
  readonly job: SoakJob;
  readonly attempts: readonly Attempt[];
}

/** Compares what the server says of a job with what the job itself and its files say. */
export async function checkJob(facts: JobFacts): Promise<string[]> {
  const ledger = readLedger(join(facts.cluster.ledgerDir, `${facts.job.run.id}.jsonl`));
  const logs = await Promise.all(facts.attempts.map((attempt) => checkLog(facts, attempt)));
  return [
    ...checkStatus(facts),
    ...checkStarts(facts, ledger),
    ...logs.flat(),
    ...(await checkPoints(facts)),
  ];
}

function checkStatus({ job, faults }: JobFacts): string[] {
  const { run, spec } = job;
  const expected = [
    spec.kind === 'doomed' ? 'failed' : 'completed',
    ...(faults.cancelledRuns.has(run.id) ? ['cancelled'] : []),
  ];
  return expected.includes(run.status)
    ? []
    : [`is ${run.status} (${JSON.stringify(run.error)}), not ${expected}`];
}

/** No attempt started twice, no two at once, none after a completion, and each but the last for a reason. */
function checkStarts({ job, attempts, faults }: JobFacts, ledger: readonly LedgerLine[]): string[] {
  const wrong: string[] = [];
  const starts = ledger.filter((line) => line.event === 'start');
  const codeOf = new Map(
    ledger.flatMap((line) => (line.event === 'done' ? [[line.attemptId, line.exitCode]] : [])),
  );
  const known = new Map(attempts.map((attempt) => [attempt.id, attempt]));
  for (const { attemptId, overlapping } of starts) {
    if (!known.has(attemptId)) wrong.push(`${attemptId} started and is unknown`);
    if (overlapping.length > 0) wrong.push(`${attemptId} started while ${overlapping} of earlier ones lived`);
  }
  if (new Set(starts.map(({ attemptId }) => attemptId)).size < starts.length)
    wrong.push('an attempt started twice');
  for (const [index, attempt] of attempts.entries()) {
    const code = codeOf.get(attempt.id);
    const isHit = faults.hitAttempts.has(attempt.id);
    const what = `attempt ${attempt.number} (${attempt.status}, ${JSON.stringify(attempt.error)}, ledger: ${code})`;
    if (attempt.cleanupError !== null) wrong.push(`${what}: ${attempt.cleanupError}`);
    if (attempt.endedAt === null) wrong.push(`${what} has not ended`);
    if (attempt.status === 'completed' && code !== 0) wrong.push(`${what} did not complete`);
    if (code === 0 && attempt.status !== 'completed' && !isHit && !faults.cancelledRuns.has(job.run.id)) {
      wrong.push(`${what} completed`);
    }
    // Assigned to an agent that was killed before it had it on disk: no program can have run.
    const neverStarted = !starts.some(({ attemptId }) => attemptId === attempt.id);
    const mayBeLost = isHit || neverStarted;
    if (attempt.status === 'lost' && attempt.error === null) wrong.push(`${what} does not say why`);
    const mayFail =
      isHit || (code !== undefined && code !== 0) || (attempt.status === 'lost' && neverStarted);
    if (index < attempts.length - 1 && !mayFail) wrong.push(`${what} was tried again without a reason`);
    if (attempt.status === 'lost' && !mayBeLost) wrong.push(`${what} was not lost`);
  }
  return wrong;
}

/** The stored output is what the job wrote, byte for byte: all of it, or what it came to before it was killed. */
async function checkLog({ cluster, client, job }: JobFacts, attempt: Attempt): Promise<string[]> {
  const path = `/api/v1/runs/${job.run.id}/log/download?format=raw&attempt=${attempt.number}`;
  const stored = (await client.call('GET', path)).bytes;
  const expected = outputOf(job.spec, attempt.number);
  const what = `log of attempt ${attempt.number} (${attempt.status})`;
  if (attempt.status === 'completed' && !stored.equals(expected)) {
    return [
      `${what} has ${stored.length} bytes, ${expected.length} were written, ${firstDifference(stored, expected)}`,
    ];
  }
  if (!expected.subarray(0, stored.length).equals(stored)) {
    return [`${what} is not a begin of what was written, ${firstDifference(stored, expected)}`];
  }
  const agent = cluster.agentOf(attempt.id);
  if (agent === undefined) return stored.length === 0 ? [] : [`${what} has no file`];
  const files = attemptFiles(join(cluster.agentDir(agent), 'attempts', attempt.id), job.run.id);
  const file = readBytes(files.output);
  // Of a lost attempt what was acknowledged is stored; what came later its agent may not send any more.
  if (attempt.status === 'lost') {
    const acknowledged = acknowledgedBytes(files.agentState);
    return stored.length >= acknowledged
      ? []
      : [`${what} has ${stored.length} bytes of ${acknowledged} acknowledged`];
  }
  return stored.equals(file) ? [] : [`${what} has ${stored.length} bytes, its file ${file.length}`];
}

/** Each step once, with the value of the attempt that wrote it last. */
async function checkPoints({ client, job, attempts }: JobFacts): Promise<string[]> {
  const series = await client.json<Record<string, MetricPoint[]>>(`/api/v1/runs/${job.run.id}/metrics`);
  const points = series['n'] ?? [];
  const wrong = points.flatMap(({ step }, index) =>
    step === index ? [] : [`point ${index} has step ${step}`],
  );
  const last = attempts.at(-1);
  if (last?.status === 'completed') {
    if (points.length !== job.spec.steps) wrong.push(`${points.length} points of ${job.spec.steps}`);
    const foreign = points.filter(({ step, value }) => value !== pointValue(last.number, step));
    if (foreign.length > 0) wrong.push(`${foreign.length} points are not of attempt ${last.number}`);
  }
  return wrong.slice(0, 3);
}

function acknowledgedBytes(agentState: string): number {
  const { streams } = JSON.parse(readBytes(agentState).toString() || '{"streams":{}}') as {
    streams: { log?: { sent?: number } };
  };
  return streams.log?.sent ?? 0;
}

function firstDifference(left: Buffer, right: Buffer): string {
  const at = left.findIndex((byte, index) => byte !== right[index]);
  return at < 0 ? 'one is a begin of the other' : `they differ from byte ${at} on`;
}

function readLedger(path: string): LedgerLine[] {
  return readBytes(path)
    .toString()
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as LedgerLine);
}

function readBytes(path: string): Buffer {
  try {
    return readFileSync(path);
  } catch {
    return Buffer.alloc(0);
  }
}
