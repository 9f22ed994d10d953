import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { startTrainyard, type TrainyardProcess } from '../support/trainyard-process.ts';

const PROGRAMS = 4;
const POINTS_PER_BATCH = 25;
const BATCHES_BEFORE_KILL = 40;

interface Answer {
  readonly metrics?: readonly { readonly step: number }[];
  readonly run?: { readonly info: { readonly run_id: string } };
}

async function up(dataDir: string): Promise<{ server: TrainyardProcess; api: string }> {
  const server = startTrainyard(['up', '--no-agent', '--port', '0', '--data-dir', dataDir]);
  const [, url] = await server.line(/^ready (\S+)$/);
  return { server, api: `${url}/api/2.0/mlflow` };
}

async function post(url: string, body: object): Promise<Answer> {
  const headers = { 'content-type': 'application/json' };
  const answer = await fetch(url, { method: 'POST', headers, body: JSON.stringify(body) });
  if (answer.status !== 200) throw new Error(await answer.text());
  return (await answer.json()) as Answer;
}

const batch = (run_id: string, number: number) => ({
  run_id,
  metrics: Array.from({ length: POINTS_PER_BATCH }, (_, i) => {
    const step = number * POINTS_PER_BATCH + i;
    return { key: 'loss', value: step / 7, timestamp: 1000 + step, step };
  }),
  params: [{ key: `batch ${number}`, value: 'stored' }],
});

it('has every batch that it acknowledged, once, after a kill in the middle of them', async () => {
  const dataDir = await mkdtemp(join(tmpdir(), 'trainyard-killed-'));
  const first = await up(dataDir);
  const runs: string[] = [];
  for (let i = 0; i < PROGRAMS; i++) runs.push((await post(`${first.api}/runs/create`, {})).run!.info.run_id);
  /** Batches acknowledged, by run. */
  const acknowledged = runs.map(() => 0);
  let killed: Promise<void> | undefined;
  const log = async (program: number): Promise<void> => {
    for (;;) {
      try {
        await post(`${first.api}/runs/log-batch`, batch(runs[program]!, acknowledged[program]!));
      } catch (error) {
        // Only the kill may fail it.
        if (killed === undefined) throw error;
        return;
      }
      acknowledged[program]! += 1;
      const all = acknowledged.reduce((sum, count) => sum + count, 0);
      if (all >= BATCHES_BEFORE_KILL) killed ??= first.server.kill('SIGKILL');
    }
  };
  await Promise.all(runs.map((_, program) => log(program)));
  await killed;
  const second = await up(dataDir);
  try {
    for (const [program, run_id] of runs.entries()) {
      const stored = async () => {
        const url = `${second.api}/metrics/get-history?run_id=${run_id}&metric_key=loss`;
        const answer = (await (await fetch(url)).json()) as Answer;
        return (answer.metrics ?? []).map(({ step }) => step);
      };
      const count = acknowledged[program]!;
      const found = await stored();
      // The one that was under way may be there, whole, or not at all.
      expect([count, count + 1].map((batches) => batches * POINTS_PER_BATCH)).toContain(found.length);
      // A client tries again what was not acknowledged, and may do so with what was.
      for (const number of [0, count - 1, count].filter((each) => each >= 0))
        await post(`${second.api}/runs/log-batch`, batch(run_id, number));
      expect(await stored()).toEqual(
        Array.from({ length: (count + 1) * POINTS_PER_BATCH }, (_, step) => step),
      );
    }
  } finally {
    await second.server.kill('SIGTERM');
    await rm(dataDir, { recursive: true, force: true });
  }
}, 120_000);
