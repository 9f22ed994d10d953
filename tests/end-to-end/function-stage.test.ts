import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { api, until } from '../support/api.ts';
import { stageOf, startPlatform, type TestPlatform } from '../support/platform.ts';
import { payloadsOf } from '../support/processes.ts';

let platform: TestPlatform;

const REPORT = `
import { writeFileSync } from 'node:fs';
import type { StageFunctionContext } from '@trainyard/protocol';

interface Args { readonly rows: number[]; readonly file: string }

export default async function report({ rows, file }: Args, context: StageFunctionContext) {
  const sum = rows.reduce((total, row) => total + row, 0);
  context.log('sum', sum, { of: rows.length });
  for (const [step, value] of rows.entries()) context.metric(step, { value, wild: Number.NaN });
  writeFileSync(file, String(sum));
  context.dataset({ name: 'sums', path: file, rows: 1 });
  const { runId, rootRunId, stage, attempt, params, paths } = context;
  return { sum, seen: { runId, rootRunId, stage, attempt, params, paths } };
}
export const list = (args: unknown) => [args];
export const nothing = () => undefined;
export const circular = () => { const self: any = {}; self.self = self; return self; };
export const leaves = () => process.exit(0);
export function text() { throw 'just a text'; }
export async function forgets() {
  Promise.reject(new RangeError('nobody awaited me'));
  await new Promise((resolve) => setTimeout(resolve, 60_000));
}
export async function late() {
  setTimeout(() => { throw { code: 7 }; }, 1);
  await new Promise((resolve) => setTimeout(resolve, 60_000));
}
export function fail(): never { throw new TypeError('no such thing'); }
export async function strict(args: object) {
  const unknown = Object.keys(args).filter((key) => !['n'].includes(key));
  if (unknown.length > 0) throw new Error('unknown arguments: ' + unknown);
  return { n: (args as { n: number }).n + 1 };
}
export async function waits(_: unknown, context: StageFunctionContext) {
  context.log('waiting');
  await new Promise((resolve) => context.signal.addEventListener('abort', resolve, { once: true }));
  writeFileSync('cleaned-up', 'yes');
}
export function spins(_: unknown, context: StageFunctionContext) {
  context.log('spinning');
  return new Promise(() => setInterval(() => {}, 1000));
}
`;

beforeAll(async () => {
  platform = await startPlatform();
  platform.write('report.ts', REPORT);
});
afterAll(() => platform.stop());

const one = (given: object) => ({ name: 'call', stages: [{ name: 'call', function: given }] });

describe('a function stage', () => {
  it('fails when it ends the process before it has returned, also with exit code 0', async () => {
    const run = await platform.ended(one({ module: 'report.ts', export: 'leaves' }));
    expect(stageOf(run, 'call')).toMatchObject({ status: 'failed', error: { code: 'ended_early' } });
  });

  it('calls the function with arguments and a context, and hands its value on', async () => {
    const run = await platform.ended(
      {
        name: 'reports',
        params: { rows: { type: 'json', default: [] } },
        stages: [
          {
            name: 'report',
            params: { extra: 1 },
            function: { module: './report.ts', args: { rows: '${{ params.rows }}', file: 'sum.txt' } },
          },
          {
            name: 'after',
            dependsOn: ['report'],
            function: { module: 'report.ts', export: 'list', args: '${{ stages.report.outputs.sum }}' },
          },
        ],
      },
      { rows: [1, 2, 3.5] },
    );
    expect(run.error).toBeNull();
    const report = stageOf(run, 'report');
    expect(report.outputs).toMatchObject({
      sum: 6.5,
      seen: {
        runId: report.id,
        rootRunId: run.id,
        stage: 'report',
        attempt: 1,
        params: { rows: [1, 2, 3.5], extra: 1 },
        paths: { workingDir: platform.dir },
      },
    });
    expect(readFileSync(join(platform.dir, 'sum.txt'), 'utf8')).toBe('6.5');
    expect(stageOf(run, 'after').outputs).toEqual({ value: [6.5] });
    expect(await platform.log(run, 'report')).toBe('sum 6.5 {"of":3}\n');
    const metrics = await api(platform.url).get<Record<string, { step: number; value: unknown }[]>>(
      `/api/v1/runs/${report.id}/metrics`,
    );
    expect(metrics['value']!.map(({ step, value }) => [step, value])).toEqual([
      [0, 1],
      [1, 2],
      [2, 3.5],
    ]);
    expect(metrics['wild']![0]!.value).toBe('NaN');
    const datasets = await api(platform.url).get<{ items: { name: string }[] }>(
      `/api/v1/runs/${run.id}/datasets`,
    );
    expect(datasets.items.map(({ name }) => name)).toEqual(['sums']);
  });

  it('passes params through three layers whose functions refuse unknown arguments', async () => {
    const layer = (name: string, dependsOn: string[], n: string) => ({
      ...{ name, dependsOn },
      function: { module: 'report.ts', export: 'strict', args: { n } },
    });
    const run = await platform.ended({
      name: 'layers',
      params: { n: { type: 'integer', default: 1 } },
      stages: [
        layer('a', [], '${{ params.n }}'),
        layer('b', ['a'], '${{ stages.a.outputs.n }}'),
        layer('c', ['b'], '${{ stages.b.outputs.n }}'),
      ],
    });
    expect(run.status).toBe('completed');
    expect(stageOf(run, 'c').outputs).toEqual({ n: 4 });
  });

  it('names itself when it throws what is no Error, or fails where nobody waits, and logs the stack', async () => {
    const [text, forgets, late] = await Promise.all(
      ['text', 'forgets', 'late'].map((name) => platform.ended(one({ module: 'report.ts', export: name }))),
    );
    const errorOf = (run: typeof text) => stageOf(run!, 'call').error;
    expect(errorOf(text)).toMatchObject({
      code: 'function_failed',
      message: expect.stringMatching(
        /^the function "text" of report.ts threw 'just a text', which is no Error/,
      ),
    });
    expect(errorOf(forgets)).toMatchObject({
      code: 'function_failed',
      message:
        'the function "forgets" of report.ts left a promise that was rejected and that nobody awaited: RangeError: nobody awaited me',
    });
    expect(await platform.log(forgets!, 'call')).toMatch(/RangeError: nobody awaited me\n +at forgets \(/);
    expect(errorOf(late)).toMatchObject({
      code: 'function_failed',
      message: expect.stringMatching(/"late" of report.ts threw outside of what it returned.*\{ code: 7 \}$/),
    });
  });

  it('fails with what was thrown, and a short stack in its log', async () => {
    const [thrown, noExport, noModule, circular, nothing] = await Promise.all([
      platform.ended(one({ module: 'report.ts', export: 'fail' })),
      platform.ended(one({ module: 'report.ts', export: 'reprot' })),
      platform.ended(one({ module: 'missing.ts' })),
      platform.ended(one({ module: 'report.ts', export: 'circular' })),
      platform.ended(one({ module: 'report.ts', export: 'nothing' })),
    ]);
    expect(stageOf(thrown, 'call').error).toMatchObject({
      code: 'function_failed',
      message: 'TypeError: no such thing',
    });
    expect(thrown.error).toMatchObject({ message: expect.stringContaining('no such thing') });
    const log = await platform.log(thrown, 'call');
    expect(log).toMatch(/TypeError: no such thing\n +at fail \(file:.*report\.ts:\d+/);
    expect(log.split('\n').length).toBeLessThan(10);
    expect(stageOf(noExport, 'call').error).toMatchObject({
      code: 'function_missing',
      message: expect.stringMatching(/exports no function "reprot"; it exports circular, default, fail,/),
    });
    expect(stageOf(noModule, 'call').error).toMatchObject({
      code: 'function_missing',
      message: expect.stringContaining(join(platform.dir, 'missing.ts')),
    });
    expect(stageOf(circular, 'call').error).toMatchObject({ code: 'invalid_outputs' });
    expect(nothing).toMatchObject({ status: 'completed', children: [{ outputs: null }] });
  });

  it('ends with its process when it is cancelled, in its own way if it listens', async () => {
    for (const name of ['spins', 'waits']) {
      const id = await platform.submit({
        name: 'cancelled',
        stages: [
          { name: 'call', function: { module: 'report.ts', export: name, grace: '20s' } },
          { name: 'sibling', job: { command: 'sleep 0.1' } },
        ],
      });
      const { get, post, text, tree } = api(platform.url);
      const call = stageOf(await tree(id), 'call');
      await until('the function runs', async () =>
        /waiting|spinning/.test(await text(`/api/v1/runs/${call.id}/log`)),
      );
      expect(payloadsOf([call.id])).not.toEqual([]);
      const askedAt = Date.now();
      await post(`/api/v1/runs/${call.id}/cancel`, {});
      const ended = await until('the end', async () => {
        const found = await get<{ status: string; endedAt: string | null }>(`/api/v1/runs/${call.id}`);
        return found.endedAt !== null && found;
      });
      expect(Date.now() - askedAt).toBeLessThan(10_000);
      expect(ended.status).toBe('cancelled');
      expect(payloadsOf([call.id])).toEqual([]);
    }
    expect(existsSync(join(platform.dir, 'cleaned-up'))).toBe(true);
  });
});
