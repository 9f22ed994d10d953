/**
 * Regular expressions that take time in proportion to the text, whatever the pattern: no backtracking (R. Cox,
 * "Regular Expression Matching Can Be Simple And Fast"). Patterns of users run on agents over logs of programs, so
 * neither may hold up the agent. Known: literals, `.`, classes, `\d \w \s` and their opposites, groups, `|`,
 * `* + ? {m,n}`, `^` and `$`, and `(?i)` at the begin. There are no look-arounds, references or word boundaries.
 */
export interface LinearRegex {
  /** Whether the pattern is found somewhere in the line. */
  test(line: string): boolean;
  /** Texts of which one has to be there for a match, in lower case; empty when nothing can be said. */
  readonly needles: readonly string[];
}

/** @throws SyntaxError that says what is wrong and where */
export function linearRegex(source: string): LinearRegex {
  const parser = new Parser(source);
  const program = parser.parse();
  return {
    test: (line) => run(program, parser.isCaseless ? line.toLowerCase() : line),
    needles: needlesOf(source),
  };
}

type Accepts = (code: number) => boolean;
type Instruction =
  | { readonly op: 'char'; readonly accepts: Accepts }
  | { readonly op: 'split'; a: number; b: number }
  | { readonly op: 'begin' | 'end' | 'match' };

const MAX_INSTRUCTIONS = 4000;
const MAX_REPEATS = 100;

/** Compiles while it parses; a repeated part is compiled again from its text. */
class Parser {
  readonly isCaseless: boolean;
  readonly #source: string;
  readonly #program: Instruction[] = [];
  #at = 0;

  constructor(source: string) {
    this.#source = source;
    this.isCaseless = source.startsWith('(?i)');
    if (this.isCaseless) this.#at = 4;
  }

  parse(): readonly Instruction[] {
    this.#alternatives();
    if (this.#at < this.#source.length) this.#fail('")" without "("');
    this.#emit({ op: 'match' });
    return this.#program;
  }

  #alternatives(): void {
    const start = this.#program.length;
    this.#sequence();
    if (this.#source[this.#at] !== '|') return;
    this.#at += 1;
    // The first alternative moves one on, so that the choice stands before it.
    this.#insert(start);
    const jump = this.#emit({ op: 'split', a: -1, b: -1 });
    this.#program[start] = { op: 'split', a: start + 1, b: this.#program.length };
    this.#alternatives();
    Object.assign(this.#program[jump]!, { a: this.#program.length, b: this.#program.length });
  }

  #sequence(): void {
    for (;;) {
      const next = this.#source[this.#at];
      if (next === undefined || next === '|' || next === ')') return;
      const from = this.#at;
      const start = this.#program.length;
      this.#atom();
      this.#repeat(from, start);
    }
  }

  #repeat(from: number, start: number): void {
    const bounds = this.#bounds();
    if (bounds === undefined) return;
    const [least, most] = bounds;
    const end = this.#at;
    this.#program.length = start;
    const again = (): void => {
      this.#at = from;
      this.#atom();
    };
    for (let count = 0; count < least; count += 1) again();
    if (most === Number.POSITIVE_INFINITY) {
      const loop = this.#emit({ op: 'split', a: this.#program.length + 1, b: -1 });
      again();
      this.#emit({ op: 'split', a: loop, b: loop });
      Object.assign(this.#program[loop]!, { b: this.#program.length });
    } else {
      const skips: number[] = [];
      for (let count = least; count < most; count += 1) {
        skips.push(this.#emit({ op: 'split', a: this.#program.length + 1, b: -1 }));
        again();
      }
      for (const skip of skips) Object.assign(this.#program[skip]!, { b: this.#program.length });
    }
    this.#at = end;
    // A lazy one finds the same lines.
    if (this.#source[this.#at] === '?') this.#at += 1;
  }

  #bounds(): readonly [number, number] | undefined {
    const next = this.#source[this.#at];
    const simple = {
      '*': [0, Number.POSITIVE_INFINITY],
      '+': [1, Number.POSITIVE_INFINITY],
      '?': [0, 1],
    } as const;
    if (next === '*' || next === '+' || next === '?') {
      this.#at += 1;
      return simple[next];
    }
    const counted = /^\{(\d{1,4})(,(\d{1,4})?)?\}/.exec(this.#source.slice(this.#at));
    if (counted === null) return undefined;
    const least = Number(counted[1]);
    const most = counted[2] === undefined ? least : Number(counted[3] ?? Number.POSITIVE_INFINITY);
    const isTooMany = least > MAX_REPEATS || (most !== Number.POSITIVE_INFINITY && most > MAX_REPEATS);
    if (isTooMany || most < least) this.#fail(`a part is repeated at most ${MAX_REPEATS} times`);
    this.#at += counted[0].length;
    return [least, most];
  }

  #atom(): void {
    const next = this.#source[this.#at]!;
    if (next === '(') this.#group();
    else if (next === '^') this.#single({ op: 'begin' });
    else if (next === '$') this.#single({ op: 'end' });
    else if ('*+?'.includes(next)) this.#fail('nothing to repeat');
    else this.#emit({ op: 'char', accepts: this.#one() });
  }

  #single(instruction: Instruction): void {
    this.#at += 1;
    this.#emit(instruction);
  }

  #group(): void {
    this.#at += 1;
    if (this.#source[this.#at] === '?') {
      if (this.#source[this.#at + 1] !== ':')
        this.#fail('"(?" is known as "(?:" and, at the begin, "(?i)" only');
      this.#at += 2;
    }
    this.#alternatives();
    if (this.#source[this.#at] !== ')') this.#fail('"(" without ")"');
    this.#at += 1;
  }

  #one(): Accepts {
    const next = this.#source[this.#at]!;
    this.#at += 1;
    if (next === '.') return () => true;
    if (next === '[') return this.#class();
    return next === '\\' ? this.#escape() : this.#literal(next);
  }

  #class(): Accepts {
    const isNegated = this.#source[this.#at] === '^';
    if (isNegated) this.#at += 1;
    const members: Accepts[] = [];
    for (let first = true; first || this.#source[this.#at] !== ']'; first = false) {
      const from = this.#source[this.#at];
      if (from === undefined) this.#fail('"[" without "]"');
      this.#at += 1;
      const isRange = this.#source[this.#at] === '-' && (this.#source[this.#at + 1] ?? ']') !== ']';
      if (from === '\\') members.push(this.#escape());
      else if (isRange) members.push(this.#range(from!));
      else members.push(this.#literal(from!));
    }
    this.#at += 1;
    return (code) => members.some((accepts) => accepts(code)) !== isNegated;
  }

  #range(from: string): Accepts {
    const low = this.#fold(from).charCodeAt(0);
    const high = this.#fold(this.#source[this.#at + 1]!).charCodeAt(0);
    this.#at += 2;
    return (code) => code >= low && code <= high;
  }

  #escape(): Accepts {
    const next = this.#source[this.#at] ?? this.#fail('"\\" at the end');
    this.#at += 1;
    const known = CLASSES[next.toLowerCase()];
    if (known !== undefined) return next === next.toLowerCase() ? known : (code) => !known(code);
    if (next === 't') return (code) => code === 9;
    if (/[A-Za-z0-9]/.test(next)) this.#fail(`"\\${next}" is not known`);
    return this.#literal(next);
  }

  #literal(text: string): Accepts {
    const wanted = this.#fold(text).charCodeAt(0);
    return (code) => code === wanted;
  }

  #fold(text: string): string {
    return this.isCaseless ? text.toLowerCase() : text;
  }

  #emit(instruction: Instruction): number {
    if (this.#program.length >= MAX_INSTRUCTIONS) this.#fail('the pattern is too large');
    return this.#program.push(instruction) - 1;
  }

  #insert(at: number): void {
    for (const one of this.#program.slice(at)) {
      if (one.op === 'split') Object.assign(one, { a: one.a + 1, b: one.b + 1 });
    }
    this.#program.splice(at, 0, { op: 'split', a: -1, b: -1 });
  }

  #fail(message: string): never {
    throw new SyntaxError(`${message}, at character ${this.#at + 1} of "${this.#source}"`);
  }
}

const CLASSES: Readonly<Record<string, Accepts>> = {
  d: (code) => code >= 48 && code <= 57,
  w: (code) =>
    (code >= 48 && code <= 57) || (code >= 65 && code <= 90) || (code >= 97 && code <= 122) || code === 95,
  s: (code) => code === 32 || (code >= 9 && code <= 13) || code === 160,
};

/** All ways through the program at once: never more of them than it has instructions. */
function run(program: readonly Instruction[], line: string): boolean {
  const seenAt = new Int32Array(program.length).fill(-1);
  let now: number[] = [];
  for (let at = 0; at <= line.length; at += 1) {
    // A match may begin at every character.
    if (follow(program, 0, at, line.length, seenAt, now)) return true;
    const next: number[] = [];
    const code = line.charCodeAt(at);
    for (const index of now) {
      const one = program[index] as Extract<Instruction, { op: 'char' }>;
      if (
        at < line.length &&
        one.accepts(code) &&
        follow(program, index + 1, at + 1, line.length, seenAt, next)
      ) {
        return true;
      }
    }
    now = next;
  }
  return false;
}

/** Adds the characters that may come next from an instruction on; true when the pattern has matched. */
function follow(
  program: readonly Instruction[],
  from: number,
  at: number,
  end: number,
  seenAt: Int32Array,
  into: number[],
): boolean {
  const open = [from];
  for (let index = open.pop(); index !== undefined; index = open.pop()) {
    if (seenAt[index] === at) continue;
    seenAt[index] = at;
    const one = program[index]!;
    if (one.op === 'match') return true;
    if (one.op === 'char') into.push(index);
    else if (one.op === 'split') open.push(one.b, one.a);
    else if (one.op === 'begin' ? at === 0 : at === end) open.push(index + 1);
  }
  return false;
}

/** The longest plain text of each alternative, where the pattern is an alternative of plain ones. */
function needlesOf(source: string): readonly string[] {
  const plain = source.replace(/^\(\?i\)/, '');
  if (/[()[\]{]/.test(plain.replaceAll(/\\./g, ''))) return [];
  const needles = plain.split('|').map(
    (alternative) =>
      alternative
        .replaceAll(/\\[dwstDWS]/g, '\0')
        .replaceAll(/\\(.)/g, '$1')
        .replaceAll(/.[*?]/g, '\0')
        .split(/[\0.^$+]/)
        .sort((a, b) => b.length - a.length)[0]!,
  );
  return needles.some((needle) => needle.length < 3) ? [] : needles.map((needle) => needle.toLowerCase());
}
