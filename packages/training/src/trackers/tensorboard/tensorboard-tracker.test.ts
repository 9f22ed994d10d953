import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { Program } from '../../testing/program.ts';
import { flatParams } from '../param-text.ts';
import { scalarValue, summaryEvent } from './event.ts';
import { EventFile } from './event-file.ts';
import { paramsTable } from './params-table.ts';
import { tensorboardTracker } from './tensorboard-tracker.ts';

const root = mkdtempSync(join(tmpdir(), 'trainyard-tensorboard-'));
afterAll(() => rmSync(root, { recursive: true }));

it('opens a file for each run, behind those that are there also when the clock has gone back', async () => {
  const directory = join(root, 'resumed', 'run');
  const nowMs = Date.parse('2026-01-01T00:00:00Z');
  const paths = [nowMs, nowMs, nowMs - 3_600_000].map((at) => {
    const file = new EventFile(directory, at);
    file.close();
    return file.path;
  });
  expect(paths.toSorted()).toEqual(paths);
  expect(new Set(paths).size).toBe(3);
  expect(paths[0]).toMatch(/\/events\.out\.tfevents\.1767225600\.[^/]+\.\d+\.\d+$/);

  const tracker = tensorboardTracker({ directory });
  await new Program((p) => p.epoch(0, () => p.epochMetrics.set('train_loss', 1)), {
    trackers: [tracker],
  }).run();
  expect(readdirSync(directory)).toHaveLength(4);
});

it('appends whole records, each with the operating system when it is recorded', () => {
  const directory = join(root, 'append');
  const file = new EventFile(directory, 0);
  const sizes = [readFileSync(file.path)];
  for (const step of [1, 2]) {
    file.append([summaryEvent({ timeMs: 0, step }, [scalarValue('train_loss', step)])]);
    sizes.push(readFileSync(file.path));
  }
  file.close();
  for (const [index, bytes] of sizes.entries()) {
    expect(lengthsOf(bytes)).toHaveLength(index + 1);
    if (index > 0) expect(bytes.subarray(0, sizes[index - 1]!.length)).toEqual(sizes[index - 1]);
  }
});

it('lets training go on when its file cannot be written, and says so', async () => {
  const file = join(root, 'file');
  writeFileSync(file, '');
  const directory = join(file, 'run');
  const warnings: string[] = [];
  const warn = (message: string) => warnings.push(message);
  const tracker = tensorboardTracker({ directory, warn });
  const program = new Program(
    (p) =>
      p.epoch(0, () => {
        p.epochMetrics.set('train_loss', 1);
        tracker.text('note', 'hello', 0);
      }),
    { trackers: [tracker], warn },
  );
  expect((await program.run()).status).toBe('completed');
  expect(warnings[0]).toContain(`The tracker "tensorboard ${directory}" has failed: ENOTDIR`);
  expect(warnings.some((each) => each.startsWith("TensorBoard's file cannot be written: ENOTDIR"))).toBe(
    true,
  );
});

it('refuses what is no PNG, and a step that is no whole number', () => {
  const tracker = tensorboardTracker({ directory: join(root, 'refused') });
  expect(() => tracker.image('samples', Buffer.from('GIF89a'), 0)).toThrow('The image is no PNG');
  expect(() => tracker.text('note', 'hello', 0.5)).toThrow('The step is 0.5, not a whole number.');
});

it('names params within params by a path, and escapes what a table would take for its own', () => {
  const params = { lr: 0.1, optimizer: { name: 'adam', betas: [0.9, 0.99] }, deep: true, none: null };
  expect(flatParams(params)).toEqual({
    ...{ lr: 0.1, 'optimizer.name': 'adam', 'optimizer.betas': '[0.9,0.99]' },
    ...{ deep: true, none: 'null' },
  });
  expect(paramsTable({ a: 'x|y\nz' })).toBe('| param | value |\n| --- | --- |\n| a | x\\|y z |');
  const circular: Record<string, unknown> = {};
  circular['self'] = circular;
  expect(Object.values(flatParams(circular))).toEqual(['[object Object]']);
});

function lengthsOf(bytes: Buffer): number[] {
  const lengths: number[] = [];
  for (let at = 0; at < bytes.length; at += 16 + lengths.at(-1)!)
    lengths.push(Number(bytes.readBigUInt64LE(at)));
  return lengths;
}
