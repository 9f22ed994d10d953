import { JobError } from './job-error.ts';

/** What a program accepts: one named reader for each parameter, with its default inside. */
export type ParameterSpec = Readonly<Record<string, Parameter<unknown>>>;

export type ParameterValues<S extends ParameterSpec> = {
  readonly [K in keyof S]: S[K] extends Parameter<infer T> ? T : never;
};

/** Reads one value; `undefined` means that nobody gave one. Throws an Error that says what was expected. */
export type Parameter<T> = (value: unknown) => T;

/**
 * Applies the spec to the given values. Values that the spec does not name are ignored, for a stage also
 * sees the parameters of the pipeline around it.
 * @throws JobError that names the parameter and its value.
 */
export function readParameters<S extends ParameterSpec>(
  spec: S,
  values: Readonly<Record<string, unknown>>,
): ParameterValues<S> {
  const entries = Object.entries(spec).map(([name, read]) => {
    try {
      return [name, read(values[name] ?? undefined)];
    } catch (cause) {
      const found = values[name] === undefined ? 'is missing' : `is ${JSON.stringify(values[name])}`;
      throw new JobError(`parameter ${name} ${found}; expected ${(cause as Error).message}`, { cause });
    }
  });
  return Object.fromEntries(entries) as ParameterValues<S>;
}

/** Reads `--learning-rate 0.1 --name small` as `{learningRate: 0.1, name: 'small'}`; values may be JSON. */
export function readFlags(args: readonly string[], known: readonly string[]): Record<string, unknown> {
  const flags: Record<string, unknown> = {};
  for (let index = 0; index < args.length; index += 2) {
    const flag = args[index]!;
    const name = flag.replace(/^--/, '').replace(/-(\w)/g, (_, letter: string) => letter.toUpperCase());
    if (!flag.startsWith('--') || !known.includes(name)) {
      const flags = known.map((each) => `--${each.replace(/[A-Z]/g, (c) => `-${c.toLowerCase()}`)}`);
      throw new JobError(`unknown argument ${flag}; known are ${flags.join(', ')}`);
    }
    const text = args[index + 1];
    if (text === undefined) throw new JobError(`argument ${flag} needs a value`);
    flags[name] = parseLoosely(text);
  }
  return flags;
}

export function number(
  fallback: number,
  range: { readonly min: number; readonly max: number },
): Parameter<number> {
  return (value = fallback) => {
    if (typeof value === 'number' && value >= range.min && value <= range.max) return value;
    throw new Error(`a number from ${range.min} to ${range.max}`);
  };
}

export function integer(
  fallback: number,
  range: { readonly min: number; readonly max: number },
): Parameter<number> {
  return (value = fallback) => {
    if (Number.isInteger(value) && Number(value) >= range.min && Number(value) <= range.max)
      return Number(value);
    throw new Error(`a whole number from ${range.min} to ${range.max}`);
  };
}

export function oneOf<const T>(fallback: T, choices: readonly T[]): Parameter<T> {
  return (value = fallback) => {
    const found = choices.find((choice) => choice === value);
    if (found !== undefined) return found;
    throw new Error(`one of ${choices.join(', ')}`);
  };
}

/** A text, or undefined when nobody gave one. */
export function optionalText(): Parameter<string | undefined> {
  return (value) => {
    if (value === undefined || (typeof value === 'string' && value !== '')) return value;
    throw new Error('a text');
  };
}

export function text(fallback: string): Parameter<string> {
  return (value) => optionalText()(value) ?? fallback;
}

/** @throws JobError when the value, found by any way, is no text; `expected` ends the sentence. */
export function requireText(name: string, value: unknown, expected: string): string {
  if (typeof value === 'string' && value !== '') return value;
  throw new JobError(`parameter ${name} is missing; expected ${expected}`);
}

/** A JSON object, or undefined when nobody gave one. */
export function optionalObject(): Parameter<Readonly<Record<string, unknown>> | undefined> {
  return (value) => {
    if (value === undefined) return undefined;
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
      return value as Readonly<Record<string, unknown>>;
    }
    throw new Error('an object');
  };
}

function parseLoosely(value: string): unknown {
  try {
    return JSON.parse(value) as unknown;
  } catch {
    return value;
  }
}
