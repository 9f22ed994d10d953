import { boundWords, type JsonValue, oneOfWords, typeWords } from '@trainyard/protocol/definition';
import type { z } from 'zod';
import { valueAt } from './dag-of-definition.ts';
import { didYouMean } from './did-you-mean.ts';
import { clip, type DefinitionPath, describeValue, type Fault, MAX_FAULTS, MAX_PLACED } from './faults.ts';
import { knownKeys } from './schema-keys.ts';

type Issue = z.core.$ZodIssue;

/** The file that is judged, in words. */
export interface JudgedFile {
  /** "a pipeline file" */
  readonly file: string;
  /** "the pipeline": what the whole of it is. */
  readonly whole: string;
  /** The keys that it may have at a path. */
  keys(path: DefinitionPath): string[];
}

const PIPELINE_FILE: JudgedFile = { file: 'a pipeline file', whole: 'the pipeline', keys: knownKeys };

/** What the schema found, in words that name the value found and what is expected. */
export function schemaFaults(
  issues: readonly Issue[],
  json: JsonValue,
  judged: JudgedFile = PIPELINE_FILE,
): Fault[] {
  return issues.flatMap((issue, index) =>
    index < MAX_PLACED ? faultsOf(issue, [], json, judged) : onlyCounted(issue),
  );
}

/** So far down the list a fault is only counted, and nobody needs words for it. */
function onlyCounted(issue: Issue): Fault[] {
  const fault: Fault = { code: 'BAD_VALUE', message: '', path: [] };
  return issue.code === 'unrecognized_keys' ? issue.keys.map(() => fault) : [fault];
}

function faultsOf(issue: Issue, base: DefinitionPath, json: JsonValue, judged: JudgedFile): Fault[] {
  const path = [...base, ...issue.path] as (string | number)[];
  const found = valueAt(json, path);
  switch (issue.code) {
    case 'unrecognized_keys':
      return issue.keys.map((key, index) => unknownKey(key, path, judged, index < MAX_FAULTS));
    case 'invalid_type':
      if (found === undefined) return [missing(path, judged)];
      return [wrong('WRONG_TYPE', path, judged, `must be ${typeWords(issue.expected)}`, found)];
    case 'invalid_value':
      return [wrong('BAD_VALUE', path, judged, `must be ${oneOfWords(issue.values)}`, found, issue.values)];
    case 'too_big':
      return [
        wrong('BAD_VALUE', path, judged, `must ${boundWords('at most', issue.origin, issue.maximum)}`, found),
      ];
    case 'too_small':
      return [wrong('BAD_VALUE', path, judged, smallMessage(issue), found)];
    case 'invalid_union':
      return unionFaults(issue, path, found, json, judged);
    case 'invalid_key':
      return issue.issues.map((inner) => ({
        code: 'BAD_KEY',
        message: `${clip(String(path.at(-1)))}: ${inner.message}`,
        path,
        at: 'key' as const,
      }));
    default:
      return [{ code: 'BAD_VALUE', message: ownMessage(issue.message, found, path, judged), path }];
  }
}

function unknownKey(key: string, path: DefinitionPath, judged: JudgedFile, withHint: boolean): Fault {
  const place = path.length === 0 ? `in ${judged.file}` : `in ${placeName(path, judged)}`;
  const hint = withHint ? didYouMean(key, judged.keys(path)) : '';
  return {
    code: 'UNKNOWN_KEY',
    message: `unknown key ${clip(key)} ${place}${hint}`,
    path: [...path, key],
    at: 'key',
  };
}

function missing(path: DefinitionPath, judged: JudgedFile): Fault {
  const key = path.at(-1);
  const parent = path.slice(0, -1);
  const place = parent.length === 0 ? judged.whole : placeName(parent, judged);
  return { code: 'MISSING_KEY', message: `${place} needs ${clip(String(key))}`, path };
}

function wrong(
  code: string,
  path: DefinitionPath,
  judged: JudgedFile,
  must: string,
  found: JsonValue | undefined,
  words: readonly unknown[] = [],
): Fault {
  const hint = typeof found === 'string' && words.length > 1 ? similar(found, words.map(String)) : '';
  return { code, message: `${placeName(path, judged)} ${must}, found ${describeValue(found)}${hint}`, path };
}

function similar(found: string, words: readonly string[]): string {
  const hint = didYouMean(found, words);
  return hint.startsWith('; did') ? hint : '';
}

function smallMessage(issue: Extract<Issue, { code: 'too_small' }>): string {
  // The words of this one list, where it has some, say what it lacks when it is empty.
  if (issue.origin === 'array' && !issue.message.startsWith('must have '))
    return `is empty: ${issue.message}`;
  return `must ${boundWords('at least', issue.origin, issue.minimum)}`;
}

/**
 * A union is readable in one of two ways: the value has the type of one branch and a fault inside (report
 * that), or it has none of the types (list them).
 */
function unionFaults(
  issue: Extract<Issue, { code: 'invalid_union' }>,
  path: DefinitionPath,
  found: JsonValue | undefined,
  json: JsonValue,
  judged: JudgedFile,
): Fault[] {
  if (found === undefined) return [missing(path, judged)];
  const expected: string[] = [];
  for (const branch of issue.errors) {
    const type = branch.find((each) => each.path.length === 0 && each.code === 'invalid_type');
    if (type === undefined) return branch.flatMap((each) => faultsOf(each, path, json, judged));
    if (type.code === 'invalid_type') expected.push(typeWords(type.expected));
  }
  return [wrong('WRONG_TYPE', path, judged, `must be ${[...new Set(expected)].join(' or ')}`, found)];
}

/** Messages that the schema words itself are completed by what was found, unless they tell it. */
function ownMessage(
  words: string,
  found: JsonValue | undefined,
  path: DefinitionPath,
  judged: JudgedFile,
): string {
  if (words === 'is required' || /^must .*, found /.test(words)) return `${placeName(path, judged)} ${words}`;
  if (words.includes(JSON.stringify(found)) || typeof found === 'object') return words;
  return `${placeName(path, judged)} is ${describeValue(found)}: ${words}`;
}

/** `"timeout" of stage 3` rather than a chain of keys; the line says the rest. */
function placeName(path: DefinitionPath, judged: JudgedFile): string {
  const last = path.at(-1);
  if (last === undefined) return judged.whole;
  if (typeof last === 'string') return `"${last}"`;
  const list = path.at(-2);
  if (list === 'stages') return `stage ${last + 1}`;
  if (list === undefined) return `entry ${last + 1}`;
  return `entry ${last + 1} of "${String(list)}"`;
}
