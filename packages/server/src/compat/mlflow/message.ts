import { invalidValue, missingValue } from './mlflow-error.ts';

/**
 * Requests as MLflow's clients write them: protocol buffers in their JSON form. Unknown fields are ignored, null is
 * as good as absent, and 64-bit integers and doubles may come as texts.
 */
export interface Field<T> {
  /** Absent, null or (for texts) empty is refused. */
  readonly isRequired: boolean;
  readonly isList?: boolean;
  /** @throws MlflowRefusal naming `path` */
  read(value: unknown, path: string): T;
}

export type Message = Readonly<Record<string, Field<unknown>>>;

export type MessageValue<M extends Message> = {
  readonly [K in keyof M]: M[K] extends RequiredField<infer T>
    ? T
    : M[K] extends Field<infer T>
      ? T | undefined
      : never;
};

interface RequiredField<T> extends Field<T> {
  readonly isRequired: true;
}

interface OptionalField<T> extends Field<T> {
  readonly isRequired: false;
}

function optional<T>(read: Field<T>['read']): OptionalField<T> {
  return { isRequired: false, read };
}

export function text(): OptionalField<string> {
  return optional((value, path) => {
    if (typeof value !== 'string') throw invalidValue(path, value);
    return value;
  });
}

export function flag(): OptionalField<boolean> {
  return optional((value, path) => {
    if (typeof value === 'boolean') return value;
    if (value === 'true' || value === 'false') return value === 'true';
    throw invalidValue(path, value);
  });
}

/** A whole number within what JavaScript holds exactly. */
export function integer(range: { min?: number; max?: number } = {}): OptionalField<number> {
  const { min = Number.MIN_SAFE_INTEGER, max = Number.MAX_SAFE_INTEGER } = range;
  return optional((value, path) => {
    const number = typeof value === 'string' && /^-?\d{1,19}$/.test(value) ? Number(value) : value;
    if (typeof number !== 'number' || !Number.isInteger(number)) throw invalidValue(path, value);
    if (number < min || number > max) throw invalidValue(path, value, `it must be from ${min} to ${max}.`);
    return number;
  });
}

const SPECIAL: ReadonlyMap<unknown, number> = new Map([
  ['NaN', Number.NaN],
  ['Infinity', Number.POSITIVE_INFINITY],
  ['-Infinity', Number.NEGATIVE_INFINITY],
]);
const NUMBER_TEXT = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/;

export function double(): OptionalField<number> {
  return optional((value, path) => {
    if (typeof value === 'number') return value;
    const special = SPECIAL.get(value);
    if (special !== undefined) return special;
    if (typeof value === 'string' && NUMBER_TEXT.test(value)) return Number(value);
    throw invalidValue(path, value);
  });
}

/** One of these texts. */
export function choice<T extends string>(choices: readonly T[]): OptionalField<T> {
  return optional((value, path) => {
    const found = choices.find((each) => each === value);
    if (found === undefined) throw invalidValue(path, value, `it must be one of ${choices.join(', ')}.`);
    return found;
  });
}

/** An absent list is an empty one. */
export function list<T>(item: Field<T>): RequiredField<T[]> {
  return {
    isRequired: true,
    isList: true,
    read(value, path) {
      if (value === undefined || value === null) return [];
      if (!Array.isArray(value)) throw invalidValue(path, value);
      return value.map((each: unknown, index) => {
        if (each === undefined || each === null) throw invalidValue(`${path}[${index}]`, each);
        return item.read(each, `${path}[${index}]`);
      });
    },
  };
}

/** A message within a message. */
export function nested<M extends Message>(message: M): OptionalField<MessageValue<M>> {
  return optional((value, path) => {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) throw invalidValue(path, value);
    return readMessage(message, value as Readonly<Record<string, unknown>>, `${path}.`);
  });
}

export function required<T>(field: Field<T>): RequiredField<T> {
  return {
    isRequired: true,
    read(value, path) {
      if (value === undefined || value === null || value === '') throw missingValue(path);
      return field.read(value, path);
    },
  };
}

/** @throws MlflowRefusal of the first field that is wrong */
export function readMessage<M extends Message>(
  message: M,
  source: Readonly<Record<string, unknown>>,
  prefix = '',
): MessageValue<M> {
  const values: Record<string, unknown> = {};
  for (const [name, field] of Object.entries(message)) {
    const value = Object.hasOwn(source, name) ? source[name] : undefined;
    if (!field.isRequired && (value === undefined || value === null)) continue;
    values[name] = field.read(value, `${prefix}${name}`);
  }
  return values as MessageValue<M>;
}

/** A query string has one text where a list has one item. */
export function readQuery<M extends Message>(
  message: M,
  query: Readonly<Record<string, unknown>>,
): MessageValue<M> {
  const source: Record<string, unknown> = { ...query };
  for (const [name, field] of Object.entries(message)) {
    const value = source[name];
    if (typeof value === 'string' && field.isList === true) source[name] = [value];
    else if (Array.isArray(value) && field.isList !== true) source[name] = value.at(-1);
  }
  return readMessage(message, source);
}
