import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createClient } from '@trainyard/client';
import { afterEach, expect, it } from 'vitest';
import { api, flatten, until } from '../support/api.ts';
import { startTrainyard, type TrainyardProcess } from '../support/trainyard-process.ts';

const SUPPORT = resolve(import.meta.dirname, '../support');
const processes: TrainyardProcess[] = [];
const dirs: string[] = [];

afterEach(async () => {
  for (const process of processes.splice(0)) await process.kill('SIGTERM');
  for (const dir of dirs.splice(0)) rmSync(dir, { recursive: true, force: true });
});

it('21: a server killed under full load of logs and metrics gets every line and point, in order, once', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'trainyard-outage-'));
  dirs.push(dir);
  const start = (args: readonly string[]) => {
    const process = startTrainyard(args);
    processes.push(process);
    return process;
  };
  const startServer = async (port: string) => {
    const process = start(['up', '--no-agent', '--port', port, '--data-dir', join(dir, 'server')]);
    const [, url] = await process.line(/^ready (http:\S+)$/);
    return { process, url: url! };
  };
  const { process: first, url } = await startServer('0');
  start(['agent', '--url', url, '--data-dir', join(dir, 'agent'), '--slots', '3']);
  const stop = join(dir, 'stop');
  const server = api(url);
  const job = { command: ['node', 'noisy-job.mjs'], env: { STOP: stop } };
  const { id } = await server.post<{ id: string }>('/api/v1/runs', {
    definition: { name: 'noisy', stages: ['a', 'b', 'c'].map((name) => ({ name, job })) },
    baseDir: SUPPORT,
  });
  const client = createClient({ url });
  const jobs = await until('all jobs write', async () => {
    const running = flatten(await server.tree(id)).filter((run) => run.kind === 'job');
    const sizes = await Promise.all(running.map((run) => client.readLog(run.id, { offset: -1 })));
    return running.length === 3 && sizes.every(({ size }) => size > 100_000) ? running : undefined;
  });
  await first.kill('SIGKILL');
  const attempts = join(dir, 'agent', 'agent-alone', 'attempts');
  const outputs = readdirSync(attempts).map((name) => join(attempts, name, 'output.log'));
  const atKill = outputs.map((path) => statSync(path).size);
  await until('megabytes wait in every job', async () =>
    outputs.every((path, at) => statSync(path).size - atKill[at]! > 3_000_000),
  );
  await startServer(new URL(url).port);
  writeFileSync(stop, '');
  const tree = await until('the run has ended', async () => {
    const found = await server.tree(id);
    return found.endedAt === null ? undefined : found;
  });
  expect(tree.status).toBe('completed');
  for (const { id: runId } of jobs) {
    const pieces: Uint8Array[] = [];
    for await (const piece of client.exportLog(runId, { format: 'raw' })) pieces.push(piece);
    const lines = Buffer.concat(pieces).toString().trimEnd().split('\n');
    const total = Number(/^total (\d+)$/.exec(lines.pop()!)![1]);
    expect(lines.length).toBe(total);
    expect(lines.findIndex((line, at) => line !== `line ${at} of the log`)).toBe(-1);
    const points = (await client.getMetrics(runId))['loss']!;
    expect(points.length).toBe(total);
    expect(points.findIndex(({ step, value }, at) => step !== at || value !== at)).toBe(-1);
  }
});
