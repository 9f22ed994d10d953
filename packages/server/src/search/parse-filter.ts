import { linearRegex } from '@trainyard/protocol';
import {
  type Absence,
  type Clause,
  type Comparator,
  type Field,
  type Filter,
  MAX_CLAUSES,
  MAX_DEPTH,
  MAX_FILTER_LENGTH,
  MAX_LIST_VALUES,
  MAX_PATTERN_LENGTH,
  type Membership,
  NUMBER_COMPARATORS,
  TEXT_COMPARATORS,
} from './filter.ts';
import { invalidFilter } from './invalid-filter.ts';
import { resolveField } from './resolve-field.ts';
import { isNumberField, type Searchable } from './searchable.ts';
import { type Token, tokenize } from './tokenize.ts';

/**
 * Reads a filter: MLflow's grammar (clauses with AND), and beyond it OR, NOT, parentheses and regular expressions.
 *
 *     or     = and { OR and }
 *     and    = not { AND not }
 *     not    = NOT not | "(" or ")" | clause
 *     clause = field comparator value | field [NOT] IN "(" text { "," text } ")" | field IS [NOT] NULL
 *
 * @returns undefined when nothing is asked for
 * @throws TrainyardError INVALID_FILTER that says where, and what was expected
 */
export function parseFilter(source: string, searchable: Searchable): Filter | undefined {
  if (source.length > MAX_FILTER_LENGTH) {
    const expected = `at most ${MAX_FILTER_LENGTH} characters`;
    throw invalidFilter(
      WHAT,
      MAX_FILTER_LENGTH,
      `The filter has ${source.length} characters: too long`,
      expected,
    );
  }
  const nul = source.indexOf('\0');
  if (nul !== -1)
    throw invalidFilter(WHAT, nul, 'A character U+0000, which no text has', 'another character');
  const tokens = tokenize(source, WHAT);
  return tokens.length === 1 ? undefined : new Parser(tokens, searchable).parse();
}

const WHAT = 'the filter';

/** Words for the same comparators. */
const SAME_COMPARATOR: Readonly<Record<string, Comparator>> = { RLIKE: '=~', 'NOT RLIKE': '!~' };

class Parser {
  readonly #tokens: readonly Token[];
  readonly #searchable: Searchable;
  #at = 0;
  #depth = 0;
  #clauses = 0;

  constructor(tokens: readonly Token[], searchable: Searchable) {
    this.#tokens = tokens;
    this.#searchable = searchable;
  }

  parse(): Filter {
    const filter = this.#or();
    if (this.#next.kind !== 'end') this.#unexpected('AND, OR or the end');
    return filter;
  }

  #or(): Filter {
    return this.#chain('or', 'OR', () => this.#chain('and', 'AND', () => this.#not()));
  }

  #chain(kind: 'and' | 'or', word: string, one: () => Filter): Filter {
    const clauses = [one()];
    while (this.#takeWord(word)) clauses.push(one());
    return clauses.length === 1 ? clauses[0]! : { kind, clauses };
  }

  #not(): Filter {
    if (this.#takeWord('NOT')) return this.#deeper(() => ({ kind: 'not', clause: this.#not() }));
    if (!this.#takePunctuation('(')) return this.#clause();
    return this.#deeper(() => {
      const filter = this.#or();
      if (!this.#takePunctuation(')')) this.#unexpected('AND, OR or ")"');
      return filter;
    });
  }

  #deeper(read: () => Filter): Filter {
    this.#depth += 1;
    if (this.#depth > MAX_DEPTH) this.#fail('Too many parentheses and NOTs', `at most ${MAX_DEPTH} levels`);
    const filter = read();
    this.#depth -= 1;
    return filter;
  }

  #clause(): Clause {
    this.#clauses += 1;
    if (this.#clauses > MAX_CLAUSES) this.#fail('Too many comparisons', `at most ${MAX_CLAUSES} of them`);
    const token = this.#next;
    const isKeyword =
      token.kind === 'name' && token.group === undefined && KEYWORDS.has(token.text.toUpperCase());
    if ((token.kind !== 'name' && token.kind !== 'quoted') || isKeyword)
      this.#unexpected('a field, "(" or NOT');
    this.#at += 1;
    const field = resolveField(token, { searchable: this.#searchable, use: 'filter', what: WHAT });
    if (this.#takeWord('IS')) return this.#absence(field);
    const comparatorAt = this.#at;
    const isNegated = this.#takeWord('NOT');
    if (this.#takeWord('IN')) return this.#membership(field, isNegated, comparatorAt);
    return this.#comparison(field, isNegated, comparatorAt);
  }

  #absence(field: Field): Absence {
    const isNegated = this.#takeWord('NOT');
    if (!this.#takeWord('NULL')) this.#unexpected(isNegated ? 'NULL' : 'NULL or NOT NULL');
    return { kind: 'null', field, isNegated };
  }

  #membership(field: Field, isNegated: boolean, comparatorAt: number): Membership {
    if (isNumberField(this.#searchable, field)) this.#badComparator(comparatorAt, 'IN', NUMBER_COMPARATORS);
    if (!this.#takePunctuation('(')) this.#unexpected('"(" and a list of quoted texts');
    const values: string[] = [];
    do {
      // A comma at the end is what Python makes of a tuple of one.
      if (values.length > 0 && this.#isPunctuation(')')) break;
      if (values.length >= MAX_LIST_VALUES)
        this.#fail('The list is too long', `at most ${MAX_LIST_VALUES} values`);
      values.push(this.#text(`${field.group} (a list of quoted texts)`));
    } while (this.#takePunctuation(','));
    if (!this.#takePunctuation(')')) this.#unexpected('"," or ")"');
    return { kind: 'in', field, isNegated, values };
  }

  #comparison(field: Field, isNegated: boolean, comparatorAt: number): Clause {
    const token = this.#next;
    const isWord = token.kind === 'name' && token.group === undefined;
    const isNumber = isNumberField(this.#searchable, field);
    const known: readonly Comparator[] = isNumber ? NUMBER_COMPARATORS : TEXT_COMPARATORS;
    if (token.kind !== 'comparator' && !isWord) this.#unexpected(comparatorList(known));
    const written = `${isNegated ? 'NOT ' : ''}${token.text.toUpperCase()}`;
    const meant = SAME_COMPARATOR[written] ?? written;
    const comparator = known.find((one) => one === meant);
    if (comparator === undefined) this.#badComparator(comparatorAt, written, known);
    this.#at += 1;
    if (isNumber) return { kind: 'compare', field, comparator, value: this.#number(field) };
    const at = this.#next.at;
    const value = this.#text(field.group);
    if (comparator === '=~' || comparator === '!~') checkPattern(value, at);
    return { kind: 'compare', field, comparator, value };
  }

  #number(field: Field): number {
    const token = this.#next;
    if (token.kind !== 'number') {
      const of = field.group === 'metric' ? 'metric' : `numeric attribute: ${field.key}`;
      this.#fail(`Expected numeric value type for ${of}. Found ${shown(token)}`, 'a number without quotes');
    }
    this.#at += 1;
    return token.value;
  }

  #text(of: string): string {
    const token = this.#next;
    const isText = token.kind === 'text' || (token.kind === 'quoted' && token.text.startsWith('"'));
    if (!isText) {
      const problem = `Expected a quoted string value for ${of} (e.g. 'my-value'). Got value ${shown(token)}`;
      this.#fail(problem, 'a text in single or double quotes');
    }
    this.#at += 1;
    return token.value;
  }

  get #next(): Token {
    return this.#tokens[this.#at]!;
  }

  #takeWord(word: string): boolean {
    const token = this.#next;
    const isIt = token.kind === 'name' && token.group === undefined && token.text.toUpperCase() === word;
    if (isIt) this.#at += 1;
    return isIt;
  }

  #isPunctuation(sign: string): boolean {
    return this.#next.kind === 'punctuation' && this.#next.text === sign;
  }

  #takePunctuation(sign: string): boolean {
    const isIt = this.#isPunctuation(sign);
    if (isIt) this.#at += 1;
    return isIt;
  }

  #badComparator(at: number, written: string, known: readonly Comparator[]): never {
    const expected = comparatorList(known);
    throw invalidFilter(WHAT, this.#tokens[at]!.at, `Invalid comparator '${written}'`, expected);
  }

  #unexpected(expected: string): never {
    this.#fail(`Invalid clause(s) in filter string: ${shown(this.#next)}`, expected);
  }

  #fail(problem: string, expected: string): never {
    throw invalidFilter(WHAT, this.#next.at, problem, expected);
  }
}

const KEYWORDS: ReadonlySet<string> = new Set(['AND', 'OR', 'NOT', 'IN', 'IS', 'NULL']);

/** MLflow says "not one of" here, and programs look for it. */
function comparatorList(known: readonly Comparator[]): string {
  const lists = known === NUMBER_COMPARATORS ? '' : ', IN, NOT IN';
  return `one of ${known.join(', ')}${lists}, IS NULL, IS NOT NULL`;
}

function shown(token: Token): string {
  if (token.kind === 'end') return 'the end';
  return token.text.length > 60 ? `${token.text.slice(0, 60)}…` : token.text;
}

function checkPattern(pattern: string, at: number): void {
  if (pattern.length > MAX_PATTERN_LENGTH) {
    throw invalidFilter(
      WHAT,
      at,
      'The regular expression is too long',
      `at most ${MAX_PATTERN_LENGTH} characters`,
    );
  }
  try {
    linearRegex(pattern);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw invalidFilter(
      WHAT,
      at,
      `Invalid regular expression (${error.message})`,
      'a regular expression that can be read',
    );
  }
}
