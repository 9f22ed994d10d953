import { expect, it } from 'vitest';
import { Program } from '../testing/program.ts';
import { ProgressBar } from './progress-bar.ts';

async function shown(isTTY: boolean, columns = 80): Promise<string> {
  let text = '';
  const stream = {
    ...{ isTTY, columns },
    write: (part: string) => {
      text += part;
    },
  };
  const body = async (p: Program) => {
    for (let n = 0; n < 2; n += 1) {
      await p.epoch(n, async () => {
        await p.batch(0, () => p.batchMetrics.set('train_loss', 1));
        p.epochMetrics.set('train_loss', 0.123456);
      });
    }
  };
  const callbacks = [new ProgressBar({ epochs: 2, batches: 1, stream })];
  await new Program(body, { callbacks }).run();
  return text;
}

it('leaves a line of each epoch on a terminal', async () => {
  const lines = (await shown(true)).split('\n').map((line) => line.split('\r\x1b[2K').at(-1));
  expect(lines).toEqual([
    expect.stringMatching(/^epoch 1\/2 {2}\d+\.\d s {2}train_loss=0\.1235$/),
    expect.stringMatching(/^epoch 2\/2 {2}\d+\.\d s {2}train_loss=0\.1235$/),
    '',
  ]);
});

it('shows how far an epoch has come, at most every tenth of a second, and ends the line when the run does', () => {
  const written: string[] = [];
  const stream = { isTTY: true, write: (part: string) => written.push(part) };
  const bar = new ProgressBar({ batches: 4, stream });
  const run = { kind: 'run', index: 0, step: 0, parent: null, startedAtMs: 0 } as const;
  const epoch = { kind: 'epoch', index: 7, step: 7, parent: run, startedAtMs: 0 } as const;
  const context = {
    ...{ params: {}, stop: () => {}, stopEpoch: () => {}, warn: () => {}, record: () => {} },
    ...{ callbackStates: () => Promise.resolve({}) },
    metrics: { get: () => undefined, untracked: () => undefined, entries: () => new Map().entries() },
  };
  bar.onEpochStart({ ...context, level: epoch });
  for (const [index, endedAtMs] of [50, 100, 150].entries()) {
    const level = { kind: 'batch', index, step: index, parent: epoch, startedAtMs: 0 } as const;
    bar.onBatchEnd({ ...context, level, end: { status: 'completed', endedAtMs } });
  }
  bar.onRunEnd();
  expect(written.join('')).toBe('\r\x1b[2Kepoch 7  [##########----------] 2/4\n');
});

it('never wraps a line, and writes nothing where there is no terminal', async () => {
  const lines = (await shown(true, 12)).split('\n').map((line) => line.split('\r\x1b[2K').at(-1)!.length);
  expect(Math.max(...lines)).toBe(11);
  expect(await shown(false)).toBe('');
});
