/** Where names of siblings are in their list. */
export interface PlacesByName {
  /** Whether a name is in the list more than once. */
  readonly hasRepeats: boolean;
  /** The first place of a name. */
  get(name: string): number | undefined;
  /** Names in order of their places, without those that repeat an earlier one. */
  keys(): Iterable<string>;
}

const MOST_STEMS = 64;
const STEM_SLOTS = 256;
/** So that a number fits into 32 bits. */
const MOST_DIGITS = 9;
/** Numbers of one stem may be spread over so many times as many as there are. */
const MOST_SPREAD = 4;
const ZERO = 48;

/**
 * From names that end in a number to their places. A large graph is made by a program, which numbers its nodes:
 * `load-17` is the stem `load-` and 17. Mostly places count on as the numbers of a stem do, so that one tells the
 * other; else each stem has an array of places by number. Nothing is compared with the name of the node that it
 * leads to, which would be in memory that nobody has touched for long.
 */
export class NumberedNames implements PlacesByName {
  readonly hasRepeats: boolean;
  readonly #names: readonly { readonly name: string }[];
  readonly #stems: Stems;
  /** One more than a place by `starts[stem] + number`, 0 for none; null where that sum is the place. */
  readonly #places: Int32Array | null;
  readonly #starts: Float64Array;

  private constructor(names: readonly { readonly name: string }[], stems: Stems, room: number) {
    this.#names = names;
    this.#stems = stems;
    if (stems.areInStep && room === names.length) {
      this.#starts = stems.steps();
      this.#places = null;
      this.hasRepeats = false;
      return;
    }
    const starts = stems.starts();
    const places = new Int32Array(room);
    let repeats = 0;
    for (let place = 0; place < names.length; place++) {
      const stem = stems.split(names[place]!.name, false);
      const at = starts[stem]! + stems.number;
      if (places[at] === 0) places[at] = place + 1;
      else repeats += 1;
    }
    this.#starts = starts;
    this.#places = places;
    this.hasRepeats = repeats > 0;
  }

  /** Null where the names are not of this kind. */
  static of(names: readonly { readonly name: string }[]): NumberedNames | null {
    const stems = new Stems();
    for (let place = 0; place < names.length; place++) {
      const stem = stems.split(names[place]!.name, true);
      if (stem < 0) return null;
      stems.note(stem, stems.number, place);
    }
    const room = stems.room();
    return room > MOST_SPREAD * names.length + STEM_SLOTS ? null : new NumberedNames(names, stems, room);
  }

  get(name: string): number | undefined {
    const stem = this.#stems.split(name, false);
    if (stem < 0 || !this.#stems.holds(stem, this.#stems.number)) return undefined;
    const at = this.#starts[stem]! + this.#stems.number;
    if (this.#places === null) return at;
    const place = this.#places[at]! - 1;
    return place < 0 ? undefined : place;
  }

  keys(): Iterable<string> {
    return new Set(this.#names.map(({ name }) => name));
  }
}

/** The few texts before the numbers, and which numbers each has. */
class Stems {
  /** The number of the name that was split last. */
  number = 0;
  /** Whether for each stem all places noted are equally far from their numbers. */
  areInStep = true;
  readonly #texts: string[] = [];
  /** One more than a stem by hash, open addressing. */
  readonly #slots = new Uint8Array(STEM_SLOTS);
  readonly #least = new Int32Array(MOST_STEMS).fill(2 ** 31 - 1);
  readonly #most = new Int32Array(MOST_STEMS).fill(-1);
  /** How far the places of a stem are from its numbers. */
  readonly #steps = new Float64Array(MOST_STEMS);
  /** The stem found last and its text; -1 for one that ends in a digit. */
  #last = -1;
  #lastText = '';

  /**
   * Gives the stem of a name and leaves its number in `number`, so that both together tell exactly that name;
   * -1 when it ends in no number, or has a new stem and none may be added.
   */
  split(name: string, mayAdd: boolean): number {
    if (this.#hasLastStem(name)) return this.#last;
    let at = name.length;
    let value = 0;
    let unit = 1;
    let length = at;
    for (let digits = 0; at > 0 && digits < MOST_DIGITS; digits++) {
      const digit = name.charCodeAt(at - 1) - ZERO;
      if (digit < 0 || digit > 9) break;
      at -= 1;
      value += digit * unit;
      unit *= 10;
      // Zeros in front belong to the stem, or else `a7` and `a07` were the same.
      if (digit !== 0 || length === name.length) length = at;
    }
    if (length === name.length) return -1;
    this.number = value;
    return this.#find(name, length, mayAdd);
  }

  /** The usual case: the stem of the name before, if it ends in no digit, and a number behind it. */
  #hasLastStem(name: string): boolean {
    const stem = this.#lastText;
    const digits = name.length - stem.length;
    if (this.#last < 0 || digits < 1 || digits > MOST_DIGITS) return false;
    let at = 0;
    for (; at < stem.length; at++) if (stem.charCodeAt(at) !== name.charCodeAt(at)) return false;
    let value = name.charCodeAt(at++) - ZERO;
    if (value < 0 || value > 9 || (value === 0 && digits > 1)) return false;
    for (; at < name.length; at++) {
      const digit = name.charCodeAt(at) - ZERO;
      if (digit < 0 || digit > 9) return false;
      value = value * 10 + digit;
    }
    this.number = value;
    return true;
  }

  note(stem: number, number: number, place: number): void {
    if (this.#most[stem]! < 0) this.#steps[stem] = place - number;
    else if (this.#steps[stem] !== place - number) this.areInStep = false;
    if (number < this.#least[stem]!) this.#least[stem] = number;
    if (number > this.#most[stem]!) this.#most[stem] = number;
  }

  holds(stem: number, number: number): boolean {
    return number >= this.#least[stem]! && number <= this.#most[stem]!;
  }

  /** How many numbers there are from the least to the most of each stem. */
  room(): number {
    return this.#texts.reduce((sum, _, stem) => sum + this.#most[stem]! - this.#least[stem]! + 1, 0);
  }

  /** What is added to a number of each stem to give its place, when `areInStep`. */
  steps(): Float64Array {
    return this.#steps;
  }

  /** What is added to a number of each stem when all stand behind each other. */
  starts(): Float64Array {
    let room = 0;
    return Float64Array.from(this.#texts, (_, stem) => {
      const start = room - this.#least[stem]!;
      room += this.#most[stem]! - this.#least[stem]! + 1;
      return start;
    });
  }

  #find(name: string, length: number, mayAdd: boolean): number {
    let hash = 0x811c9dc5;
    for (let at = 0; at < length; at++) hash = Math.imul(hash ^ name.charCodeAt(at), 0x01000193);
    let slot = (hash ^ (hash >>> 15)) & (STEM_SLOTS - 1);
    for (let stem = this.#slots[slot]! - 1; stem >= 0; stem = this.#slots[slot]! - 1) {
      if (isPrefix(this.#texts[stem]!, name, length)) return this.#remember(stem);
      slot = (slot + 1) & (STEM_SLOTS - 1);
    }
    if (!mayAdd || this.#texts.length === MOST_STEMS) return -1;
    const stem = this.#texts.push(name.slice(0, length)) - 1;
    this.#slots[slot] = stem + 1;
    return this.#remember(stem);
  }

  /** A stem that ends in a digit has to be told from longer numbers behind a shorter one. */
  #remember(stem: number): number {
    const text = this.#texts[stem]!;
    const isPlain = !/[0-9]$/.test(text);
    this.#last = isPlain ? stem : -1;
    this.#lastText = isPlain ? text : '';
    return stem;
  }
}

function isPrefix(stem: string, name: string, length: number): boolean {
  if (stem.length !== length) return false;
  for (let at = 0; at < length; at++) if (stem.charCodeAt(at) !== name.charCodeAt(at)) return false;
  return true;
}
