import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createClient } from '@trainyard/client';
import { afterEach, expect, it } from 'vitest';
import { api, flatten, until } from '../support/api.ts';
import { startTrainyard, type TrainyardProcess } from '../support/trainyard-process.ts';

const SUPPORT = resolve(import.meta.dirname, '../support');
const OUTAGE_MS = 60_000;
const processes: TrainyardProcess[] = [];
let dir: string;

afterEach(async () => {
  for (const process of processes.splice(0).toReversed()) await process.kill('SIGTERM');
  rmSync(dir, { recursive: true, force: true });
});

it('21: a server killed under full load and away for a minute gets every line and point, in order, once', async () => {
  dir = mkdtempSync(join(tmpdir(), 'trainyard-outage-'));
  const first = await startServer('0');
  start(['agent', '--url', first.url, '--data-dir', join(dir, 'agent'), '--slots', '2']);
  const stop = join(dir, 'stop');
  const server = api(first.url);
  const job = { command: ['node', 'noisy-job.mjs'], env: { STOP: stop, LINES: '400' } };
  const { id } = await server.post<{ id: string }>('/api/v1/runs', {
    definition: { name: 'noisy', stages: ['a', 'b'].map((name) => ({ name, job })) },
    baseDir: SUPPORT,
  });
  const client = createClient({ url: first.url });
  const jobs = await until('both jobs write', async () => {
    const running = flatten(await server.tree(id)).filter((run) => run.kind === 'job');
    const sizes = await Promise.all(running.map((run) => client.readLog(run.id, { offset: -1 })));
    return running.length === 2 && sizes.every(({ size }) => size > 500_000) ? running : undefined;
  });
  await first.process.kill('SIGKILL');
  const awayFrom = performance.now();
  const sizes = (): number[] => {
    const attempts = join(dir, 'agent', 'agent-alone', 'attempts');
    return readdirSync(attempts).map((name) => statSync(join(attempts, name, 'output.log')).size);
  };
  const before = sizes();
  await until(
    'a minute has passed and megabytes wait in both jobs',
    async () =>
      performance.now() - awayFrom > OUTAGE_MS && sizes().every((size, at) => size - before[at]! > 5_000_000),
    4 * OUTAGE_MS,
  );
  await startServer(new URL(first.url).port);
  writeFileSync(stop, '');
  const tree = await server.ended(id);
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

function start(args: readonly string[]): TrainyardProcess {
  const process = startTrainyard(args);
  processes.push(process);
  return process;
}

async function startServer(port: string): Promise<{ process: TrainyardProcess; url: string }> {
  const process = start(['up', '--no-agent', '--port', port, '--data-dir', join(dir, 'server')]);
  const [, url] = await process.line(/^ready (http:\S+)$/);
  return { process, url: url! };
}
