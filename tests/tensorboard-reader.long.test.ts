import { execFileSync } from 'node:child_process';
import { appendFileSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { crc32, deflateSync } from 'node:zlib';
import {
  Pipeline,
  type PipelineOptions,
  type TensorboardTracker,
  tensorboardTracker,
} from '@trainyard/training';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { tensorboardPython } from './support/tensorboard-python.ts';

interface Read {
  readonly tags: Readonly<Record<string, { plugin: string; values: [step: number, value: unknown][] }>>;
  readonly session: { hparams?: Record<string, unknown>; startTime?: number; status?: number };
}

const root = mkdtempSync(join(tmpdir(), 'trainyard-tensorboard-'));
let python = '';
beforeAll(() => {
  python = tensorboardPython();
}, 600_000);
afterAll(() => rmSync(root, { recursive: true }));

/** What TensorBoard sees of a run that a program has tracked. */
async function tracked(
  name: string,
  body: (program: TrackedProgram, tracker: TensorboardTracker) => unknown,
  params: Record<string, unknown> = {},
): Promise<Read> {
  const tracker = tensorboardTracker({ directory: join(root, name) });
  const options = { params, metrics: { f1: { goal: 'max' } }, trackers: [tracker] } as const;
  const program = new TrackedProgram((p) => body(p, tracker), { ...options, handleSignals: false });
  await program.run().catch(() => {});
  return read(name);
}

function read(name: string): Read {
  const script = join(import.meta.dirname, 'support', 'read-tensorboard.py');
  const options = { encoding: 'utf8', env: { ...process.env, PYTHONDONTWRITEBYTECODE: '1' } } as const;
  return JSON.parse(execFileSync(python, [script, join(root, name)], options));
}

describe("TensorBoard's own reader", () => {
  it('finds every value with the step that it was recorded with', async () => {
    const { tags } = await tracked('steps', async (p) => {
      await p.epoch(3, async () => {
        await p.batch(41, () => p.batchMetrics.set('train_loss', 0.5));
        p.epochMetrics.set('train_loss', 0.25);
        p.epochMetrics.set('val_loss', Number.NaN);
        p.epochMetrics.set('f1', { cat: 1, dog: 0 });
        p.epochMetrics.set('confusion', [
          [3, 1],
          [0, 4],
        ]);
        p.track('learning_rate', 0.5, { step: 137 });
        p.track('learning_rate', Number.POSITIVE_INFINITY, { step: 2 ** 40 });
      });
    });
    expect(tags['learning_rate']).toEqual({
      plugin: 'scalars',
      values: [
        [137, '0.5'],
        [2 ** 40, 'inf'],
      ],
    });
    const values = (tag: string) => tags[tag]?.values;
    expect(values('batch/train_loss')).toEqual([[41, '0.5']]);
    expect(values('train_loss')).toEqual([[3, '0.25']]);
    expect(values('val_loss')).toEqual([[3, 'nan']]);
    expect(values('f1/cat')).toEqual([[3, '1.0']]);
    expect(values('confusion')).toEqual([[3, '8.0']]);
    const parts = ['0/0', '0/1', '1/0', '1/1'].map((part) => values(`confusion/${part}`));
    expect(parts).toEqual(['3.0', '1.0', '0.0', '4.0'].map((part) => [[3, part]]));
  });

  it('finds params as hyperparameters and as a text, and how the run has ended', async () => {
    const params = { lr: 0.1, optimizer: { name: 'adam' }, nesterov: false };
    const completed = await tracked('params', (p) => p.logParams({ seed: 7 }), params);
    expect(completed.session.hparams).toEqual({
      lr: 0.1,
      'optimizer.name': 'adam',
      nesterov: false,
      seed: 7,
    });
    expect(completed.session.status).toBe(1);
    expect(completed.session.startTime).toBeGreaterThan(1_700_000_000);
    expect(completed.tags['params/text_summary']).toMatchObject({ plugin: 'text' });
    expect(completed.tags['params/text_summary']!.values.at(-1)).toEqual([
      0,
      expect.stringContaining('| optimizer.name | adam |'),
    ]);
    const failed = await tracked('failed', () => Promise.reject(new Error('broken')), params);
    expect(failed.session.status).toBe(2);
  });

  it('finds histograms, texts and images', async () => {
    const png = onePixelWide(3);
    const { tags } = await tracked('media', (_, tracker) => {
      tracker.histogram('weights', new Float32Array([0, 0.5, 0.5, 3]), 5);
      tracker.histogram('nothing', [Number.NaN], 5);
      tracker.text('note', '**bold** ünd', 6);
      tracker.image('samples', png, 7);
    });
    const [[step, buckets]] = tags['weights']!.values as [[number, [number, number, number][]]];
    expect([step, tags['weights']!.plugin]).toEqual([5, 'histograms']);
    expect(buckets).toHaveLength(30);
    expect(buckets.filter(([, , count]) => count > 0).map(([, , count]) => count)).toEqual([1, 2, 1]);
    expect([buckets[0]![0], buckets.at(-1)![1]]).toEqual([0, 3]);
    expect(tags['note/text_summary']!.values).toEqual([[6, '**bold** ünd']]);
    expect(tags['samples']).toEqual({ plugin: 'images', values: [[7, ['1', '3', png.toString('hex')]]] });
  });

  it('reads a resumed run behind the first, also when that was torn off in a record', async () => {
    await tracked('resumed', (p) => p.epoch(0, () => p.epochMetrics.set('train_loss', 1)));
    const [first] = readdirSync(join(root, 'resumed'));
    appendFileSync(join(root, 'resumed', first!), Buffer.from('200000000000', 'hex'));
    const { tags } = await tracked('resumed', (p) => p.epoch(1, () => p.epochMetrics.set('train_loss', 0.5)));
    expect(tags['train_loss']!.values).toEqual([
      [0, '1.0'],
      [1, '0.5'],
    ]);
  });
});

/** A picture of one column of black. */
function onePixelWide(height: number): Buffer {
  const head = Buffer.alloc(13);
  head.writeUInt32BE(1, 0);
  head.writeUInt32BE(height, 4);
  head.set([8, 2, 0, 0, 0], 8);
  const chunk = (type: string, data: Buffer) => {
    const body = Buffer.concat([Buffer.from(type, 'latin1'), data]);
    const framed = Buffer.alloc(body.length + 8);
    framed.writeUInt32BE(data.length, 0);
    framed.set(body, 4);
    framed.writeUInt32BE(crc32(body), body.length + 4);
    return framed;
  };
  const signature = Buffer.from('\x89PNG\r\n\x1a\n', 'latin1');
  const pixels = chunk('IDAT', deflateSync(Buffer.alloc(4 * height)));
  return Buffer.concat([signature, chunk('IHDR', head), pixels, chunk('IEND', Buffer.alloc(0))]);
}

class TrackedProgram extends Pipeline<Record<string, unknown>, 'f1'> {
  readonly #body: (program: TrackedProgram) => unknown;

  constructor(
    body: (program: TrackedProgram) => unknown,
    options: PipelineOptions<Record<string, unknown>, 'f1'>,
  ) {
    super(options);
    this.#body = body;
  }

  protected override train(): unknown {
    return this.#body(this);
  }
  override epoch(index: number, body: () => unknown) {
    return super.epoch(index, body);
  }
  override batch(index: number, body: () => unknown) {
    return super.batch(index, body);
  }
  override track(name: 'learning_rate', value: number, options: { readonly step: number }) {
    super.track(name, value, options);
  }
  override logParams(params: Readonly<Record<string, unknown>>) {
    super.logParams(params);
  }
}
