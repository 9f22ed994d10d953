import { TrainyardError } from '@trainyard/protocol';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fieldCompletions } from './completions.ts';
import { MAX_CLAUSES, MAX_DEPTH, MAX_FILTER_LENGTH, MAX_LIST_VALUES } from './filter.ts';
import { parseFilter } from './parse-filter.ts';
import { parseOrderBy } from './parse-order-by.ts';
import { printFilter, printOrderBy } from './print-filter.ts';
import { SEARCHABLE, type Searchable } from './searchable.ts';
import { randomFilter } from './testing/random-filter.ts';

const ALL: readonly Searchable[] = Object.values(SEARCHABLE);

/** Reads, and writes what was understood. */
function understood(source: string, searchable: Searchable = SEARCHABLE.runs): string {
  const filter = parseFilter(source, searchable);
  return filter === undefined ? '' : printFilter(filter);
}

function problem(source: string, searchable: Searchable = SEARCHABLE.runs): string {
  return messageOf(() => parseFilter(source, searchable));
}

function messageOf(act: () => unknown): string {
  try {
    act();
  } catch (error) {
    if (error instanceof TrainyardError && error.code === 'INVALID_FILTER') return error.message;
    throw error;
  }
  throw new Error('nothing was thrown');
}

describe('a filter', () => {
  it.each([
    ['', ''],
    ['  \n ', ''],
    ["params.lr = '0.1'", "params.lr = '0.1'"],
    ['params.lr = "0.1"', "params.lr = '0.1'"],
    ['parameter."learning rate"=\'x\'', 'params."learning rate" = \'x\''],
    ['param.`learning rate` != "x"', 'params."learning rate" != \'x\''],
    ['`params`."a" = "b"', "params.a = 'b'"],
    ['metrics.loss<-1.5e-3', 'metrics.loss < -0.0015'],
    ['metric.val/loss >= .5', 'metrics."val/loss" >= 0.5'],
    ["tags.mlflow.source.name LIKE '%.py'", "tags.mlflow.source.name LIKE '%.py'"],
    ["tag.x ilike 'A' AND attr.status = 'RUNNING'", "tags.x ILIKE 'A' AND status = 'RUNNING'"],
    ["run.created > 5 and \"Run name\" = 'it''s'", "start_time > 5 AND run_name = 'it''s'"],
    ['run_id IN (\'a\', "b",)', "run_id IN ('a', 'b')"],
    ["status not in ('FAILED')", "status NOT IN ('FAILED')"],
    ['params.a IS NULL AND tags.b is not null', 'params.a IS NULL AND tags.b IS NOT NULL'],
    [
      "datasets.name = 'iris' AND dataset.context IN ('train')",
      "datasets.name = 'iris' AND datasets.context IN ('train')",
    ],
    ["a.b = 'x'".replace('a', 'tags'), "tags.b = 'x'"],
    [
      "status = 'A' OR status = 'B' AND NOT end_time > 1",
      "status = 'A' OR status = 'B' AND NOT end_time > 1",
    ],
    [
      "(status = 'A' or status = 'B') and user_id = 'me'",
      "(status = 'A' OR status = 'B') AND user_id = 'me'",
    ],
    ["not (not (user_id = 'me'))", "NOT NOT user_id = 'me'"],
    [
      "tags.a =~ '^v\\d+$' AND tags.a !~ 'x' AND tags.a RLIKE 'y'",
      "tags.a =~ '^v\\d+$' AND tags.a !~ 'x' AND tags.a =~ 'y'",
    ],
    ["tags.a NOT LIKE '%' AND tags.b NOT ILIKE 'b'", "tags.a NOT LIKE '%' AND tags.b NOT ILIKE 'b'"],
  ])('reads %s', (source, wanted) => {
    expect(understood(source)).toBe(wanted);
  });

  it.each([
    ['m.acc >= 0.94', "Invalid entity type 'm' at character 1 of the filter"],
    ['acc >= 0.94', "Invalid attribute key 'acc' specified at character 1"],
    ["stauts = 'x'", 'did you mean "status"'],
    ["datasets.nam = 'x'", "Invalid dataset key 'nam' specified"],
    ['metrics.acc LIKE 3', "Invalid comparator 'LIKE' at character 13"],
    ["metrics.acc IN ('3')", "Invalid comparator 'IN' at character 13"],
    ["params.acc > '3'", "Invalid comparator '>' at character 12"],
    ["params.acc == '3'", "Invalid comparator '==' at character 12"],
    ['start_time ~= 1', "Invalid comparator '~=' at character 12"],
    ["metrics.acc = '3'", "Expected numeric value type for metric. Found '3' at character 15"],
    ["end_time > 'x'", 'Expected numeric value type for numeric attribute: end_time'],
    [
      'params.acc = 3',
      "Expected a quoted string value for param (e.g. 'my-value'). Got value 3 at character 14",
    ],
    ['tags.acc = LR', 'Expected a quoted string value for tag'],
    ['attribute.status = true', 'Expected a quoted string value for attribute'],
    ['run_id IN ()', 'Expected a quoted string value for attribute (a list of quoted texts)'],
    ["run_id IN 'a'", 'expected "(" and a list of quoted texts'],
    ["run_id IN ('a' 'b')", 'expected "," or ")"'],
    ['`metrics.A > 0.1', 'Invalid clause(s) in filter string'],
    ['param`.A > 0.1', 'Invalid clause(s) in filter string'],
    [
      "metrics.A > 0.1 NAND params.B = 'LR'",
      'Invalid clause(s) in filter string: NAND at character 17 of the filter; expected AND, OR or the end.',
    ],
    ['metrics.acc >= 0.94; metrics.rmse < 1', 'Invalid clause(s) in filter string: ";" at character 20'],
    ['metrics.acc > 1 AND', 'Invalid clause(s) in filter string: the end at character 20'],
    ['(metrics.acc > 1', 'expected AND, OR or ")"'],
    ['metrics.acc > 1)', 'Invalid clause(s) in filter string: ) at character 16'],
    ['metrics. > 1', 'expected a key behind the dot'],
    ["tags.a =~ '(a'", 'Invalid regular expression ("(" without ")"'],
    ["tags.a =~ '(?=a)'", 'Invalid regular expression'],
    ['params.a IS 3', 'expected NULL or NOT NULL'],
    ['metrics', "Invalid attribute key 'metrics'"],
    ["tags.a = 'x' AND AND tags.b = 'y'", 'expected a field, "(" or NOT'],
  ])('refuses %s', (source, wanted) => {
    expect(problem(source)).toContain(wanted);
  });

  it('knows of each kind of thing what it has', () => {
    expect(understood("name LIKE 'a%' AND creation_time > 1", SEARCHABLE.experiments)).not.toBe('');
    expect(problem('metrics.a > 1', SEARCHABLE.experiments)).toContain("Invalid entity type 'metrics'");
    expect(understood("name = 'a' AND tags.x = 'y'", SEARCHABLE.registeredModels)).not.toBe('');
    expect(understood("version_number > 3 AND source_path = 's'", SEARCHABLE.modelVersions)).not.toBe('');
    expect(understood('creation_timestamp_ms > 3', SEARCHABLE.loggedModels)).toBe('creation_timestamp > 3');
  });

  it('has limits', () => {
    const clause = "a.b='c'".replace('a', 'tags');
    expect(problem(`${clause}${' '.repeat(MAX_FILTER_LENGTH)}`)).toContain('too long');
    expect(
      problem(
        Array(MAX_CLAUSES + 1)
          .fill(clause)
          .join(' OR '),
      ),
    ).toContain('Too many comparisons');
    expect(understood(Array(MAX_CLAUSES).fill(clause).join(' OR '))).not.toBe('');
    expect(problem(`${'('.repeat(MAX_DEPTH + 1)}${clause}${')'.repeat(MAX_DEPTH + 1)}`)).toContain(
      'Too many parentheses',
    );
    expect(understood(`${'('.repeat(MAX_DEPTH)}${clause}${')'.repeat(MAX_DEPTH)}`)).not.toBe('');
    const list = (length: number) => `run_id IN (${Array(length).fill("'r'").join(',')})`;
    expect(problem(list(MAX_LIST_VALUES + 1))).toContain('The list is too long');
    expect(understood(list(MAX_LIST_VALUES))).not.toBe('');
    expect(problem(`tags."${'k'.repeat(501)}" = 'x'`)).toContain('501 characters');
    expect(problem(`tags.a =~ '${'k'.repeat(501)}'`)).toContain('too long');
  });

  it('reads what it writes', () => {
    const anything = fc.string({ maxLength: 8, unit: 'grapheme' });
    const drawn = {
      keys: fc.oneof(
        anything.filter((key) => key !== ''),
        fc.constantFrom('a', 'a.b', 'not', '"', '`'),
      ),
      texts: anything,
      numbers: fc.oneof(fc.double({ noNaN: true }), fc.integer()),
      patterns: fc.constantFrom('a', "^it's$", '\\d+', '"'),
    };
    fc.assert(
      fc.property(
        fc.constantFrom(...ALL).chain((one) => fc.tuple(fc.constant(one), randomFilter(one, drawn))),
        ([searchable, filter]) => {
          expect(parseFilter(printFilter(filter), searchable)).toEqual(filter);
        },
      ),
      { numRuns: 1500 },
    );
  });

  it('never fails but with a place and what was expected', () => {
    const piece = fc.oneof(
      fc.constantFrom(
        'metrics.',
        'params.',
        'a',
        '"',
        "'",
        '`',
        '(',
        ')',
        ',',
        '=',
        '!',
        '<',
        '~',
        ' ',
        '.',
        '1',
        '-',
        'e',
      ),
      fc.constantFrom(
        ' AND ',
        ' OR ',
        ' NOT ',
        ' IN ',
        ' IS ',
        'NULL',
        ' LIKE ',
        'status',
        "'x'",
        'start_time',
        '\0',
        '\ud800',
      ),
      fc.string({ maxLength: 3, unit: 'binary' }),
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 30 }), fc.constantFrom(...ALL), (pieces, searchable) => {
        for (const act of [
          () => void parseFilter(pieces.join(''), searchable),
          () => void parseOrderBy([pieces.join('')], searchable),
        ]) {
          try {
            act();
          } catch (error) {
            expect(error).toBeInstanceOf(TrainyardError);
            expect((error as TrainyardError).code).toBe('INVALID_FILTER');
            const { position, expected } = (error as TrainyardError).details as Record<string, unknown>;
            expect(position).toBeGreaterThan(0);
            expect(position).toBeLessThanOrEqual(pieces.join('').length + 1);
            expect(expected).not.toBe('');
          }
        }
      }),
      { numRuns: 3000 },
    );
  });

  it('takes time in proportion to the text', () => {
    for (const part of [
      "'a",
      '(',
      'a',
      '1.',
      '.',
      'NOT ',
      '"a" ',
      '`',
      'tags.a',
      "tags.a='b' AND ",
      '!',
      'metrics.',
    ]) {
      const source = part.repeat(Math.floor(MAX_FILTER_LENGTH / part.length));
      const before = process.cpuUsage().user;
      expect(problem(source)).not.toBe('');
      expect(process.cpuUsage().user - before).toBeLessThan(1_000_000);
    }
  });
});

describe('an order', () => {
  const order = (sources: string[], searchable: Searchable = SEARCHABLE.runs) =>
    parseOrderBy(sources, searchable).map(printOrderBy);

  it('reads fields and directions', () => {
    expect(
      order(['metrics.loss', 'params."a b" desc', 'Created ASC', 'tag.`x`', 'attribute.run_name DESC']),
    ).toEqual(['metrics.loss ASC', 'params."a b" DESC', 'start_time ASC', 'tags.x ASC', 'run_name DESC']);
    expect(order(['timestamp DESC'], SEARCHABLE.registeredModels)).toEqual(['last_updated_timestamp DESC']);
  });

  it.each([
    [['m.acc'], "Invalid entity type 'm'"],
    [['acc'], "Invalid attribute key 'acc'"],
    [['`metrics.A'], 'Invalid clause(s)'],
    [['start_time decs'], 'Invalid order_by clause'],
    [['start_time DESC blah'], 'Invalid order_by clause'],
    [[''], 'Invalid order_by clause'],
    [['datasets.name'], "Invalid entity type 'datasets'"],
    [['start_time', 'created DESC'], 'contains duplicate fields'],
    [Array.from({ length: 17 }, (_, index) => `tags.t${index}`), 'too many'],
  ])('refuses %j', (sources, wanted) => {
    expect(messageOf(() => parseOrderBy(sources, SEARCHABLE.runs))).toContain(wanted);
  });
});

describe('completions', () => {
  it('can all be used in a filter', () => {
    for (const searchable of ALL) {
      const known = { metric: ['loss', 'val/loss'], param: ['a b'], tag: ['"'] };
      for (const { text, type, comparators } of fieldCompletions(searchable, known)) {
        for (const comparator of comparators) {
          const value = comparator.endsWith('NULL')
            ? ''
            : comparator.endsWith('IN')
              ? "('x')"
              : type === 'text'
                ? "'x'"
                : '1';
          expect(understood(`${text} ${comparator} ${value}`, searchable)).not.toBe('');
        }
      }
    }
  });
});
