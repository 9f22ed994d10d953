import { execFileSync } from 'node:child_process';
import { appendFileSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { crc32, deflateSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type ProgramName, track } from './support/tensorboard-programs.ts';
import { tensorboardPython } from './support/tensorboard-python.ts';

interface Read {
  readonly tags: Readonly<Record<string, { plugin: string; values: [step: number, value: unknown][] }>>;
  readonly session: { hparams?: Record<string, unknown>; startTime?: number; status?: number };
}

const root = mkdtempSync(join(tmpdir(), 'trainyard-tensorboard-'));
const png = join(root, 'picture.png');
let python = '';
beforeAll(() => {
  python = tensorboardPython();
  writeFileSync(png, onePixelWide(3));
}, 600_000);
afterAll(() => rmSync(root, { recursive: true }));

function read(directory: string): Read {
  const script = join(import.meta.dirname, 'support', 'read-tensorboard.py');
  const options = { encoding: 'utf8', env: { ...process.env, PYTHONDONTWRITEBYTECODE: '1' } } as const;
  return JSON.parse(execFileSync(python, [script, directory], options));
}

describe.each(['TypeScript', 'Python'] as const)(
  "TensorBoard's own reader, of a program in %s,",
  (language) => {
    const directoryOf = (name: string) => join(root, language, name);
    /** What TensorBoard sees of a run that a program has tracked. */
    const tracked = async (program: ProgramName, name: string = program): Promise<Read> => {
      await track(language, program, { directory: directoryOf(name), png });
      return read(directoryOf(name));
    };

    it('finds every value with the step that it was recorded with', async () => {
      const { tags } = await tracked('steps');
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
      const completed = await tracked('params');
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
      const failed = await tracked('failed');
      expect(failed.session.status).toBe(2);
    });

    it('finds histograms, texts and images', async () => {
      const { tags } = await tracked('media');
      const [[step, buckets]] = tags['weights']!.values as [[number, [number, number, number][]]];
      expect([step, tags['weights']!.plugin]).toEqual([5, 'histograms']);
      expect(buckets).toHaveLength(30);
      expect(buckets.filter(([, , count]) => count > 0).map(([, , count]) => count)).toEqual([1, 2, 1]);
      expect([buckets[0]![0], buckets.at(-1)![1]]).toEqual([0, 3]);
      expect(tags['note/text_summary']!.values).toEqual([[6, '**bold** ünd']]);
      expect(tags['samples']).toEqual({
        plugin: 'images',
        values: [[7, ['1', '3', onePixelWide(3).toString('hex')]]],
      });
    });

    it('reads a resumed run behind the first, also when that was torn off in a record', async () => {
      await tracked('first', 'resumed');
      const [first] = readdirSync(directoryOf('resumed'));
      appendFileSync(join(directoryOf('resumed'), first!), Buffer.from('200000000000', 'hex'));
      const { tags } = await tracked('second', 'resumed');
      expect(tags['train_loss']!.values).toEqual([
        [0, '1.0'],
        [1, '0.5'],
      ]);
    });
  },
);

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
