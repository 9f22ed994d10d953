import { createHash } from 'node:crypto';
import type { JsonValue, SweepDefinition, SweepRange } from '@trainyard/protocol/definition';

type Settings = Record<string, JsonValue>;

/**
 * The settings of all trials of a sweep. The same definition gives the same for ever: a server that takes a run
 * over reads its definition again, so nothing here may ever change.
 */
export function sweepSettings({ params, method, samples = 0, seed }: SweepDefinition): Settings[] {
  if (method === 'random') {
    return Array.from({ length: samples }, (_, trial) =>
      Object.fromEntries(
        Object.entries(params).map(([name, space]) => [name, sampleOf(space, draw(seed, name, trial))]),
      ),
    );
  }
  let grid: Settings[] = [{}];
  for (const [name, space] of Object.entries(params)) {
    const values = gridOf(space);
    grid = grid.flatMap((before) => values.map((value) => ({ ...before, [name]: value })));
  }
  return grid;
}

/** How many trials a sweep has. */
export function sweepSize({ params, method, samples = 0 }: SweepDefinition): number {
  if (method === 'random') return samples;
  return Object.values(params).reduce(
    (size, space) => size * (Array.isArray(space) ? space.length : (space.count ?? 1)),
    1,
  );
}

/** A number from 0 to 1 (exclusive) that a param more or a trial more does not change. */
function draw(seed: number, name: string, trial: number): number {
  const digest = createHash('sha256')
    .update(JSON.stringify([seed, name, trial]))
    .digest();
  return digest.readUIntBE(0, 6) / 2 ** 48;
}

function sampleOf(space: readonly JsonValue[] | SweepRange, chance: number): JsonValue {
  if (Array.isArray(space)) return space[Math.floor(chance * space.length)] as JsonValue;
  const range = space as SweepRange;
  // Each whole number is equally likely, those at the ends too.
  if (range.integer && range.scale === 'linear')
    return range.min + Math.floor(chance * (range.max - range.min + 1));
  return at(range, chance);
}

function gridOf(space: readonly JsonValue[] | SweepRange): readonly JsonValue[] {
  if (Array.isArray(space)) return space;
  const range = space as SweepRange;
  // A range on a grid has it.
  const count = range.count!;
  const values = Array.from({ length: count }, (_, index) => at(range, index / (count - 1)));
  // Whole numbers may fall together.
  return [...new Set(values)];
}

/** The number at a part of the way from the one end of a range to the other. */
function at({ min, max, scale, integer }: SweepRange, part: number): number {
  const exact =
    scale === 'log' ? Math.exp(Math.log(min) + part * Math.log(max / min)) : min + part * (max - min);
  // Engines may differ in the last digits of logarithms; nobody needs them.
  const value = Math.min(max, Math.max(min, Number(exact.toPrecision(12))));
  return integer ? Math.round(value) : value;
}
