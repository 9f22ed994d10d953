import type { z } from 'zod';

/** What a reader gives for a value that its schema may refuse. */
export const UNREAD: unique symbol = Symbol('unread');

/** Gives what the schema makes of a value, or `UNREAD`. */
export type SchemaReader = (value: unknown) => unknown;

type Schema = z.core.$ZodType;
type Check = z.core.$ZodCheck<unknown>;
type Payload = z.core.ParsePayload<unknown>;
type Definitions = z.core.$ZodTypes['_zod']['def'];

/**
 * A quick way to read what a schema accepts: it gives what `schema.parse` would, or `UNREAD` when something is not
 * as it should be or this cannot be told here; only the schema itself then knows what is wrong. It notes no paths
 * and makes nothing for faults, which is most of what a schema does with a large definition.
 */
export function schemaReader(schema: Schema): SchemaReader {
  return new ReaderBuilder().of(schema);
}

class ReaderBuilder {
  readonly #readers = new Map<Schema, SchemaReader>();

  of(schema: Schema): SchemaReader {
    const known = this.#readers.get(schema);
    if (known !== undefined) return known;
    const reader = withChecks(schema, this.#withoutChecks(schema));
    this.#readers.set(schema, reader);
    return reader;
  }

  #withoutChecks(schema: Schema): SchemaReader | undefined {
    const def = schema._zod.def as Definitions;
    switch (def.type) {
      case 'string':
        return hasCoercion(def) ? undefined : (value) => (typeof value === 'string' ? value : UNREAD);
      case 'number':
        return hasCoercion(def) ? undefined : (value) => (Number.isFinite(value) ? value : UNREAD);
      case 'boolean':
        return hasCoercion(def) ? undefined : (value) => (typeof value === 'boolean' ? value : UNREAD);
      case 'null':
        return (value) => (value === null ? null : UNREAD);
      case 'enum':
        return oneOf(schema._zod.values);
      case 'array':
        return listReader(this.of(def.element));
      case 'record':
        return this.#record(def);
      case 'union':
        return firstOf(def.options.map((option) => this.of(option)));
      case 'optional':
        return unlessMissing(this.of(def.innerType));
      case 'default':
        return withDefault(this.of(def.innerType), def);
      case 'lazy':
        return this.#later(schema as z.core.$ZodLazy);
      case 'object':
        return this.#object(def);
      default:
        return undefined;
    }
  }

  /** A schema that holds itself is built when it is needed. */
  #later(schema: z.core.$ZodLazy): SchemaReader {
    let reader: SchemaReader | undefined;
    return (value) => {
      reader ??= this.of(schema._zod.innerType);
      return reader(value);
    };
  }

  #record(def: z.core.$ZodRecordDef): SchemaReader | undefined {
    if ((def.keyType._zod.def as Definitions).type !== 'string' || def.mode === 'loose') return undefined;
    return recordReader(this.of(def.keyType as Schema), this.of(def.valueType as Schema));
  }

  #object(def: z.core.$ZodObjectDef): SchemaReader | undefined {
    if ((def.catchall?._zod.def as Definitions | undefined)?.type !== 'never') return undefined;
    const fields: Field[] = [];
    for (const key of Object.keys(def.shape)) {
      const schema = def.shape[key] as Schema;
      const { type, checks = [] } = schema._zod.def as Definitions;
      const isOptional = type === 'optional' && checks.length === 0;
      // A transformation, say, may make something of nothing.
      if (!isOptional && type !== 'default' && schema._zod.optin !== undefined) return undefined;
      fields.push({ key, read: this.of(schema), isOptional, isRequired: !isOptional && type !== 'default' });
    }
    return fields.length <= MOST_FIELDS ? objectReader(fields) : undefined;
  }
}

interface Field {
  readonly key: string;
  readonly read: SchemaReader;
  readonly isOptional: boolean;
  readonly isRequired: boolean;
}

/** Each has a bit of a number. */
const MOST_FIELDS = 31;

/**
 * Of an object that has no other keys. The objects of a large definition have the same few sets of keys, so each set
 * gets a reader of its own.
 */
function objectReader(fields: readonly Field[]): SchemaReader {
  const bits = new Map(fields.map(({ key }, at) => [key, 1 << at]));
  const readers = new Map<number, SchemaReader>();
  return (value) => {
    if (!isMapping(value)) return UNREAD;
    let given = 0;
    for (const key in value) {
      const bit = bits.get(key);
      if (bit === undefined || value[key] === undefined) return UNREAD;
      given |= bit;
    }
    let reader = readers.get(given);
    if (reader === undefined) {
      reader = readerOfKeys(fields, given);
      readers.set(given, reader);
    }
    return reader(value);
  };
}

/**
 * As the schema library does it, too: in code that is made for these keys an object comes into being at once. The
 * keys are those of our own schemas, in their order, as in what the schema itself gives.
 */
function readerOfKeys(all: readonly Field[], given: number): SchemaReader {
  const isGiven = (field: Field) => (given & (1 << all.indexOf(field))) !== 0;
  if (all.some((field) => field.isRequired && !isGiven(field))) return () => UNREAD;
  const fields = all.filter((field) => !field.isOptional || isGiven(field));
  const reads = fields.map(({ key }, at) => {
    const value = isGiven(fields[at]!) ? `value[${JSON.stringify(key)}]` : 'undefined';
    return `const v${at} = r${at}(${value});\nif (v${at} === UNREAD) return UNREAD;`;
  });
  const members = fields.map(({ key }, at) => `${JSON.stringify(key)}: v${at}`);
  const body = `return (value) => {\n${reads.join('\n')}\nreturn { ${members.join(', ')} };\n};`;
  const names = fields.map((_, at) => `r${at}`);
  return new Function('UNREAD', ...names, body)(UNREAD, ...fields.map(({ read }) => read)) as SchemaReader;
}

function unlessMissing(read: SchemaReader): SchemaReader {
  return (value) => (value === undefined ? undefined : read(value));
}

/** A default of plain values is the same frozen one everywhere: a large definition has hundreds of thousands. */
function withDefault(read: SchemaReader, def: { readonly defaultValue: unknown }): SchemaReader {
  const { defaultValue } = def;
  const isObject = typeof defaultValue === 'object' && defaultValue !== null;
  if (isObject && Object.values(defaultValue).some((each) => typeof each === 'object')) {
    return (value) => (value === undefined ? def.defaultValue : read(value));
  }
  const shared = isObject ? Object.freeze(defaultValue) : defaultValue;
  return (value) => (value === undefined ? shared : read(value));
}

function recordReader(readKey: SchemaReader, readValue: SchemaReader): SchemaReader {
  return (value) => {
    if (!isMapping(value)) return UNREAD;
    const result: Record<string, unknown> = {};
    for (const key in value) {
      const inner = key === '__proto__' || readKey(key) !== key ? UNREAD : readValue(value[key]);
      if (inner === UNREAD) return UNREAD;
      result[key] = inner;
    }
    return result;
  };
}

/** A list of which nothing changes stays itself. */
function listReader(read: SchemaReader): SchemaReader {
  return (value) => {
    if (!Array.isArray(value)) return UNREAD;
    let result: unknown[] = value;
    for (let at = 0; at < value.length; at++) {
      const inner = read(value[at]);
      if (inner === UNREAD) return UNREAD;
      if (inner === value[at]) continue;
      if (result === value) result = value.slice();
      result[at] = inner;
    }
    return result;
  };
}

function firstOf(readers: readonly SchemaReader[]): SchemaReader {
  return (value) => {
    for (let at = 0; at < readers.length; at++) {
      const result = readers[at]!(value);
      if (result !== UNREAD) return result;
    }
    return UNREAD;
  };
}

function oneOf(values: ReadonlySet<unknown> | undefined): SchemaReader | undefined {
  return values && ((value) => (values.has(value) ? value : UNREAD));
}

/** The schema's own checks behind a reader; all that the reader cannot do is left to the schema. */
function withChecks(schema: Schema, read: SchemaReader | undefined): SchemaReader {
  if (read === undefined) return (value) => parsed(schema, value);
  const { def, traits } = schema._zod;
  // A number of a format is its own first check.
  const own = traits.has('$ZodCheck') ? [schema as unknown as Check] : [];
  const checks = [...own, ...(def.checks ?? [])] as Check[];
  if (checks.length === 0) return read;
  const tests = checks.map(testOf);
  if (tests.every((test) => test !== undefined)) return passing(read, tests);
  let payload: Payload = { value: undefined, issues: [] };
  return (value) => {
    const result = read(value);
    if (result === UNREAD) return UNREAD;
    payload.value = result;
    for (let at = 0; at < checks.length; at++) {
      const { def: ofCheck, check } = checks[at]!._zod;
      if (ofCheck.when !== undefined && !ofCheck.when(payload)) continue;
      const later = check(payload);
      if (later === undefined && payload.issues.length === 0) continue;
      payload = { value: undefined, issues: [] };
      return UNREAD;
    }
    return payload.value;
  };
}

type Test = (value: never) => boolean;

/** The commonest checks of texts and lists, without what they make for faults. */
function testOf(check: Check): Test | undefined {
  const def = check._zod.def as z.core.$ZodChecks['_zod']['def'];
  if (def.check === 'min_length') return ({ length }: { length: number }) => length >= def.minimum;
  if (def.check === 'max_length') return ({ length }: { length: number }) => length <= def.maximum;
  const pattern = def.check === 'string_format' && def.format === 'regex' ? def.pattern : undefined;
  // With one of these flags it remembers where it was.
  if (pattern === undefined || pattern.global || pattern.sticky) return undefined;
  return (text: string) => pattern.test(text);
}

function passing(read: SchemaReader, tests: readonly Test[]): SchemaReader {
  return (value) => {
    const result = read(value);
    if (result === UNREAD) return UNREAD;
    for (let at = 0; at < tests.length; at++) if (!tests[at]!(result as never)) return UNREAD;
    return result;
  };
}

function parsed(schema: Schema, value: unknown): unknown {
  const { issues, value: result } = schema._zod.run({ value, issues: [] }, { async: false }) as Payload;
  return issues.length === 0 ? result : UNREAD;
}

function hasCoercion(def: { readonly coerce?: boolean }): boolean {
  return def.coerce === true;
}

function isMapping(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
