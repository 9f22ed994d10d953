// The program of a job of the soak: writes output, points and its own ledger, and ends as its spec says.
import { spawn } from 'node:child_process';
import { appendFileSync, existsSync, readFileSync, writeSync } from 'node:fs';
import { marked } from '../../support/processes.ts';
import { type JobSpec, type LedgerLine, outputOfStep, pointValue } from './job-spec.ts';

const spec = JSON.parse(process.env['SOAK_SPEC']!) as JobSpec;
const runId = process.env['TRAINYARD_RUN_ID']!;
const attemptId = process.env['TRAINYARD_ATTEMPT_ID']!;
const attempt = Number(process.env['TRAINYARD_ATTEMPT']);
const ledger = `${process.env['SOAK_LEDGER']}/${runId}.jsonl`;
const metrics = `${process.env['PLATFORM_METRICS_DIR']}/${runId}_metrics.jsonl`;

const record = (line: LedgerLine) => appendFileSync(ledger, `${JSON.stringify(line)}\n`);
const earlier = (existsSync(ledger) ? readFileSync(ledger, 'utf8') : '')
  .split('\n')
  .filter((line) => line !== '')
  .map((line) => JSON.parse(line) as LedgerLine);

const before = earlier.flatMap((line) =>
  line.event === 'start' && line.attemptId !== attemptId ? [`TRAINYARD_ATTEMPT_ID=${line.attemptId}`] : [],
);
const overlapping = before.length === 0 ? [] : marked(before);
record({ event: 'start', attemptId, attempt, pid: process.pid, overlapping });

if (spec.kind === 'stubborn') {
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => undefined);
}
if (spec.kind === 'stubborn' || spec.kind === 'forking') {
  spawn('sleep', ['600'], { stdio: ['ignore', 'inherit', 'inherit'] }).unref();
  spawn('sleep', ['600'], { stdio: 'ignore', detached: true }).unref();
  spawn('sh', ['-c', '(setsid sleep 600 > /dev/null 2>&1 &)'], { stdio: 'ignore' }).unref();
}

for (let step = 0; step < spec.steps; step += 1) {
  let rest = outputOfStep(spec, attempt, step);
  while (rest.length > 0) rest = rest.subarray(writeSync(1, rest));
  appendFileSync(metrics, `${JSON.stringify({ step, n: pointValue(attempt, step) })}\n`);
  await new Promise((resolve) => setTimeout(resolve, spec.pauseMs));
}

const failed = earlier.filter((line) => line.event === 'done' && line.exitCode !== 0).length;
const exitCode = failed < (spec.failures ?? Number.POSITIVE_INFINITY) ? spec.exitCode : 0;
record({ event: 'done', attemptId, exitCode });
if (exitCode !== 0 && spec.kind === 'crashing') process.kill(process.pid, 'SIGKILL');
process.exit(exitCode);
