/**
 * A pattern of `linearRegex` as PostgreSQL writes it. PostgreSQL matches what has no back-references and no
 * look-arounds with an automaton and asks for no places (regexec.c, REG_NOSUB), so its time is in proportion to the
 * text, too. Classes are written out, because PostgreSQL's own depend on the locale of the database.
 *
 * @param source a pattern that `linearRegex` can read
 */
export function postgresRegex(source: string): { readonly pattern: string; readonly ignoresCase: boolean } {
  const ignoresCase = source.startsWith('(?i)');
  return { pattern: new Translation(source, ignoresCase).text(), ignoresCase };
}

/** Members of a class, as PostgreSQL writes them within brackets. */
const CLASSES: Readonly<Record<string, string>> = {
  d: '0-9',
  w: '0-9A-Za-z_',
  s: String.raw` \t-\r\u00A0`,
};
/** All other characters. */
const OTHERS: Readonly<Record<string, string>> = {
  d: String.raw`\u0001-/:-\U0010FFFF`,
  w: String.raw`\u0001-/:-@\u005B-\u005E\u0060{-\U0010FFFF`,
  s: String.raw`\u0001-\b\u000E-\u001F!-\u009F\u00A1-\U0010FFFF`,
};
/** What stands for itself is written as its number, unless it never means anything else. */
const PLAIN = /[A-Za-z0-9_ ]/;

class Translation {
  readonly #source: string;
  readonly #ignoresCase: boolean;
  #at: number;

  constructor(source: string, ignoresCase: boolean) {
    this.#source = source;
    this.#ignoresCase = ignoresCase;
    this.#at = ignoresCase ? '(?i)'.length : 0;
  }

  text(): string {
    // "***:" has the rest read as an advanced regular expression, whatever the settings of the database are.
    let written = '***:(?:';
    while (this.#at < this.#source.length) written += this.#part();
    return `${written})`;
  }

  #part(): string {
    const next = this.#take();
    if (next === '\\') return `[${this.#escape()}]`;
    if (next === '[') return this.#class();
    if (next === '(') {
      if (this.#source.startsWith('?:', this.#at)) this.#at += 2;
      return '(?:';
    }
    if (next === '{') return this.#bounds();
    if ('*+?|)^$.'.includes(next)) return next;
    return this.#literal(next);
  }

  /** Only what counts is a repetition; any other brace stands for itself. */
  #bounds(): string {
    const counted = /^\d{1,4}(,(\d{1,4})?)?\}/.exec(this.#source.slice(this.#at, this.#at + 12));
    if (counted === null) return this.#literal('{');
    this.#at += counted[0].length;
    return `{${counted[0]}`;
  }

  #class(): string {
    const isNegated = this.#source[this.#at] === '^';
    if (isNegated) this.#at += 1;
    let members = '';
    for (let first = true; first || this.#source[this.#at] !== ']'; first = false) {
      const from = this.#take();
      const isRange = this.#source[this.#at] === '-' && (this.#source[this.#at + 1] ?? ']') !== ']';
      if (from === '\\') members += this.#escape();
      else if (isRange) members += this.#range(from);
      else members += this.#literal(from);
    }
    this.#at += 1;
    // A class without members, such as [b-a], which PostgreSQL would refuse.
    if (members === '') return isNegated ? '.' : String.raw`[^\u0001-\U0010FFFF]`;
    return `[${isNegated ? '^' : ''}${members}]`;
  }

  #range(from: string): string {
    const to = this.#source[this.#at + 1]!;
    this.#at += 2;
    const [low, high] = [this.#fold(from), this.#fold(to)];
    return low.charCodeAt(0) <= high.charCodeAt(0) ? `${this.#literal(low)}-${this.#literal(high)}` : '';
  }

  #escape(): string {
    const next = this.#take();
    const kind = next.toLowerCase();
    if (CLASSES[kind] !== undefined) return (next === kind ? CLASSES : OTHERS)[kind]!;
    return next === 't' ? String.raw`\t` : this.#literal(next);
  }

  #literal(character: string): string {
    const folded = this.#fold(character);
    if (PLAIN.test(folded)) return folded;
    return `\\u${folded.charCodeAt(0).toString(16).padStart(4, '0')}`;
  }

  #fold(character: string): string {
    return this.#ignoresCase ? character.toLowerCase() : character;
  }

  #take(): string {
    const next = this.#source[this.#at]!;
    this.#at += 1;
    return next;
  }
}
