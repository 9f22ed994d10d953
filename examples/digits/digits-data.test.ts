import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { shiftDigits } from './augment.ts';
import { packDigits, prepareDigits, readDigits, type SplitOptions } from './digits-data.ts';
import { seededRandom } from './seeded-random.ts';

const options: SplitOptions = {
  samples: 1000,
  validationFraction: 0.1,
  testFraction: 0.2,
  imageSize: 14,
  seed: 1,
};
const directory = mkdtempSync(join(tmpdir(), 'digits-data-'));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

describe('prepareDigits', () => {
  it('gives the same rows for the same seed and others for another', () => {
    const rows = prepareDigits(options);
    expect(prepareDigits(options)).toEqual(rows);
    expect(prepareDigits({ ...options, seed: 2 }).map((row) => row.id)).not.toEqual(
      rows.map((row) => row.id),
    );
  });

  it('uses every digit of the source once, with every class in every split', () => {
    const rows = prepareDigits({ ...options, samples: 10_000 });
    expect(new Set(rows.map((row) => row.id)).size).toBe(10_000);
    for (const [split, share] of [
      ['train', 0.7],
      ['validation', 0.1],
      ['test', 0.2],
    ] as const) {
      const picked = rows.filter((row) => row.split === split);
      expect(picked.length / rows.length).toBeCloseTo(share, 2);
      expect(new Set(picked.map((row) => row.label)).size).toBe(10);
    }
  });

  it('normalises every image to values from 0 to 1 with 1 as the brightest', () => {
    for (const imageSize of [14, 28] as const) {
      for (const row of prepareDigits({ ...options, imageSize }).slice(0, 50)) {
        expect(row.pixels).toHaveLength(imageSize * imageSize);
        expect(Math.max(...row.pixels)).toBe(1);
        expect(Math.min(...row.pixels)).toBe(0);
      }
    }
  });

  it('refuses more samples than there are', () => {
    expect(() => prepareDigits({ ...options, samples: 10_001 })).toThrow('the source has 10000 digits');
  });
});

describe('readDigits', () => {
  const file = (name: string, content: string) => {
    const path = join(directory, name);
    writeFileSync(path, content);
    return path;
  };

  it('reads back the pixels that were written, split by split', async () => {
    const rows = prepareDigits(options);
    const path = file('rows.jsonl', rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
    const read = await readDigits(path, ['train', 'test']);
    expect(read.rows).toBe(rows.length);
    expect(read.test).toEqual(packDigits(rows.filter((row) => row.split === 'test')));
  });

  it.each([
    ['text.jsonl', 'hello\n', 'text.jsonl:1: not a JSON object'],
    ['null.jsonl', 'null\n', 'null.jsonl:1: label is undefined'],
    [
      'label.jsonl',
      '{"label":10,"split":"train","pixels":[1]}\n',
      'label is 10, expected a digit from 0 to 9',
    ],
    ['split.jsonl', '{"label":1,"split":"dev","pixels":[1]}\n', 'split as one of train, validation, test'],
    ['empty.jsonl', '', 'has no rows of split "train"'],
    [
      'size.jsonl',
      '{"label":1,"split":"train","pixels":[1]}\n{"id":"x","label":1,"split":"train","pixels":[]}',
      'digit x has 0 pixels',
    ],
  ])('refuses %s', async (name, content, message) => {
    await expect(readDigits(file(name, content), ['train'])).rejects.toThrow(message);
  });

  it('says what to do when the file is missing', async () => {
    await expect(readDigits(join(directory, 'none.jsonl'), ['train'])).rejects.toThrow(
      'run preprocess first',
    );
  });
});

describe('shiftDigits', () => {
  const single = packDigits([{ id: 'a', split: 'train', label: 1, pixels: [0, 0, 0, 0, 0.5, 0, 0, 0, 0] }]);

  it('moves a pixel to each of its neighbours and nowhere else', () => {
    const random = seededRandom(1);
    const seen = new Set(Array.from({ length: 200 }, () => shiftDigits(single, 1, random).pixelIndexes[0]));
    expect([...seen].sort()).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8]);
  });

  it('makes background of what leaves the image', () => {
    const shifted = shiftDigits(single, 2, () => 0);
    expect([...shifted.pixelValues]).toEqual([0]);
    expect(single.pixelValues[0]).toBe(0.5);
  });
});
