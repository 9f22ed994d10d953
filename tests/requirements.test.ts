import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';

const directory = resolve(import.meta.dirname, '../docs/reference');
const rows = readFileSync(join(directory, 'requirements.md'), 'utf8')
  .split('\n')
  .filter((line) => line.startsWith('| ') && !/^\| (\||---)/.test(line))
  .map((line) => line.split(/ ?\| ?/).slice(1, -1))
  .map(([id = '', what = '', where = '']) => ({ id, what, where }));

const numbers = (prefix: string, last: number) =>
  Array.from({ length: last }, (_, at) => `${prefix}${at + 1}`);
/** Every section of the requirements, and every failure of the older systems that must not come back. */
const IDS = [
  ...numbers('A', 11),
  ...numbers('A8.', 21),
  ...numbers('C', 10),
  ...numbers('C8.', 13),
  ...numbers('D', 13),
  ...numbers('D10.', 19),
  ...numbers('E', 10),
  ...numbers('E7.', 12),
];

describe('the table of requirements', () => {
  it('has a row for every item', () => {
    const listed = new Set(rows.flatMap(({ id }) => id.match(/\b[ACDE]\d+(\.\d+)?/g) ?? []));
    // These are lists of items.
    const missing = IDS.filter((id) => !listed.has(id) && !['A8', 'C8', 'D10', 'E7'].includes(id));
    expect(missing).toEqual([]);
  });

  it('names for each item a test file that exists, or says why it is not here', () => {
    expect(rows.length).toBeGreaterThan(80);
    const wrong = rows.filter(({ what, where }) => {
      const files = [...where.matchAll(/\]\((\S+?\.test\.ts)\)/g)].map(([, path]) => join(directory, path!));
      return (
        what === '' || !files.every(existsSync) || (files.length === 0 && !where.startsWith('Not here: '))
      );
    });
    expect(wrong).toEqual([]);
  });

  it('puts nothing off without saying where it belongs', () => {
    expect(rows.filter(({ where }) => /\blater\b/i.test(where))).toEqual([]);
  });

  it('has a test for each failure of the older systems that must not come back', () => {
    const none = rows.filter(
      ({ id, where }) => /^(?:A8|C8|D10|E7)\./.test(id) && !/\.test\.ts\)/.test(where),
    );
    expect(none).toEqual([]);
  });

  it('has a row for each scenario of agents, with test files that exist', () => {
    const scenarios = readFileSync(join(directory, 'agent-scenarios.md'), 'utf8').matchAll(
      /^\| (\d+) \| .+ \| (.+) \|$/gm,
    );
    const found = [...scenarios].map(([, number, where = '']) => ({ number: Number(number), where }));
    expect(found.map(({ number }) => number)).toEqual(Array.from({ length: 49 }, (_, at) => at + 1));
    const missing = found
      .flatMap(({ where }) => [...where.matchAll(/\]\((\S+?\.test\.ts)\)/g)])
      .filter(([, path]) => !existsSync(join(directory, path!)));
    expect(missing).toEqual([]);
  });
});
