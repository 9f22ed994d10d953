import { z } from 'zod';

/**
 * The one place that words what a schema refuses and has no words of its own for. Set where schemas are loaded, so
 * that whoever parses with one says the same.
 */
z.config({ customError: (issue) => issueWords(issue) });

type RawIssue = z.core.$ZodRawIssue;

/** `must be a whole number, found the text`: what follows the name of a place. Texts are not shown: they may be secrets. */
function issueWords(issue: RawIssue): string | undefined {
  const { input } = issue;
  // An older worker's program or a person left it out: no list of types helps.
  if (input === undefined && MISSING.has(issue.code)) return 'is required';
  switch (issue.code) {
    case 'invalid_type':
      return `must be ${typeWords(issue.expected)}${foundWords(input)}`;
    case 'invalid_value':
      return `must be ${oneOfWords(issue.values)}${foundWords(input, true)}`;
    case 'too_big':
      return `must ${boundWords(issue.inclusive === false ? 'less than' : 'at most', issue.origin, issue.maximum)}${foundWords(input)}`;
    case 'too_small':
      return `must ${boundWords(issue.inclusive === false ? 'more than' : 'at least', issue.origin, issue.minimum)}${foundWords(input)}`;
    case 'not_multiple_of':
      return `must be a multiple of ${issue.divisor}${foundWords(input)}`;
    case 'invalid_format':
      return formatWords(issue);
    case 'unrecognized_keys':
      return `has unknown key${issue.keys.length === 1 ? '' : 's'} ${issue.keys.map(clip).join(', ')}`;
    case 'invalid_key':
      return `has a wrong key: ${issue.issues[0]?.message ?? 'its form'}`;
    case 'invalid_union':
      return unionWords(issue.errors, input);
    default:
      return undefined;
  }
}

const MISSING: ReadonlySet<string | undefined> = new Set(['invalid_type', 'invalid_value', 'invalid_union']);

/** A bound of a number, or of the length of a text or a list: `have at least 1 entry`. */
export function boundWords(which: string, origin: string, limit: number | bigint): string {
  const isOne = Number(limit) === 1;
  if (origin === 'string') return `have ${which} ${limit} character${isOne ? '' : 's'}`;
  if (origin === 'array') return `have ${which} ${limit} ${isOne ? 'entry' : 'entries'}`;
  return `be ${which} ${limit}`;
}

export function typeWords(expected: string): string {
  return TYPE_WORDS[expected] ?? expected;
}

export function oneOfWords(values: readonly unknown[]): string {
  const words = values.map((value) => JSON.stringify(value));
  return words.length > 2 ? `one of ${words.join(', ')}` : words.join(' or ');
}

const TYPE_WORDS: Readonly<Record<string, string>> = {
  string: 'text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  array: 'a list',
  object: 'a mapping',
  record: 'a mapping',
};

/** A union is refused for the types that its branches ask for, or for what is wrong inside the branch of that type. */
function unionWords(branches: readonly (readonly z.core.$ZodIssue[])[], input: unknown): string | undefined {
  const expected: string[] = [];
  for (const branch of branches) {
    const root = branch.find(({ path }) => path.length === 0);
    if (root?.code === 'invalid_type') expected.push(typeWords(root.expected));
    else if (root?.code === 'invalid_value') expected.push(oneOfWords(root.values));
    else {
      const [first] = branch;
      if (first === undefined) continue;
      return first.path.length === 0 ? first.message : `${first.path.join('/')}: ${first.message}`;
    }
  }
  if (expected.length === 0) return undefined;
  return `must be ${[...new Set(expected)].join(' or ')}${foundWords(input, true)}`;
}

function formatWords(issue: Extract<RawIssue, { code: 'invalid_format' }>): string {
  if (issue.format === 'regex') return `must match ${String(issue['pattern'])}`;
  return `must be ${FORMAT_WORDS[issue.format] ?? `a text of the format ${issue.format}`}`;
}

const FORMAT_WORDS: Readonly<Record<string, string>> = {
  datetime: 'an instant such as 2026-01-31T12:00:00Z',
  date: 'a day such as 2026-01-31',
  url: 'a URL',
};

function foundWords(value: unknown, isShown = false): string {
  if (typeof value === 'string' && isShown) return `, found ${clip(value)}`;
  const words = describe(value);
  return words === undefined ? '' : `, found ${words}`;
}

function describe(value: unknown): string | undefined {
  if (typeof value === 'string') return value === '' ? 'an empty text' : 'a text';
  // What was no number before it was read as one.
  if (Number.isNaN(value)) return undefined;
  if (Array.isArray(value)) return value.length === 0 ? 'an empty list' : 'a list';
  return typeof value === 'object' && value !== null ? 'a mapping' : String(value);
}

function clip(text: string): string {
  return JSON.stringify(text.length > MAX_SHOWN ? `${text.slice(0, MAX_SHOWN - 1)}…` : text);
}

const MAX_SHOWN = 60;
