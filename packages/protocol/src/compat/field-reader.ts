import type { JsonValue } from '../definition/index.ts';
import type { DocumentPath, OlderFormFault } from './older-form.ts';

export type JsonObject = { [key: string]: JsonValue };

/**
 * Reads the fields of one object of an older document. A value of the wrong kind becomes a fault that names
 * the object, and reads as absent; so does null, which exports of the older systems write for "not set".
 */
export class FieldReader {
  /** The object in messages, for example `task "train"`. */
  readonly owner: string;
  readonly path: DocumentPath;
  readonly #json: JsonObject;
  readonly #faults: OlderFormFault[];

  constructor(json: JsonObject, path: DocumentPath, owner: string, faults: OlderFormFault[]) {
    this.#json = json;
    this.path = path;
    this.owner = owner;
    this.#faults = faults;
  }

  value(key: string): JsonValue | undefined {
    return ownValue(this.#json, key);
  }

  refuse(code: string, key: string | undefined, message: string): void {
    const path = key === undefined ? this.path : [...this.path, key];
    this.#faults.push({ code, message: `${this.owner}: ${message}`, path });
  }

  text(key: string): string | undefined {
    const value = this.value(key);
    if (value === undefined || typeof value === 'string') return value;
    this.#refuseType(key, 'text', value);
    return undefined;
  }

  flag(key: string, otherwise: boolean): boolean {
    const value = this.value(key);
    if (value === undefined) return otherwise;
    if (typeof value === 'boolean') return value;
    this.#refuseType(key, 'true or false', value);
    return otherwise;
  }

  /** A whole number from `min` to `max`, both included. */
  integer(key: string, bounds: { min: number; max: number }, otherwise: number): number {
    return this.#number(key, 'a whole number', bounds, otherwise, Number.isSafeInteger);
  }

  number(key: string, bounds: { min: number; max: number }, otherwise: number): number {
    return this.#number(key, 'a number', bounds, otherwise, Number.isFinite);
  }

  object(key: string): JsonObject | undefined {
    const value = this.value(key);
    if (value === undefined || isJsonObject(value)) return value;
    this.#refuseType(key, 'a mapping', value);
    return undefined;
  }

  list(key: string): readonly JsonValue[] | undefined {
    const value = this.value(key);
    if (value === undefined || Array.isArray(value)) return value;
    this.#refuseType(key, 'a list', value);
    return undefined;
  }

  /** A list of texts or numbers, as texts; any other entry is a fault and reads as empty. */
  texts(key: string): string[] {
    return (this.list(key) ?? []).map((entry, index) => {
      // YAML reads an id such as 1 as a number.
      if (typeof entry === 'string' || typeof entry === 'number') return String(entry);
      const message = `${this.owner}: entry ${index + 1} of "${key}" must be text, found ${show(entry)}`;
      this.#faults.push({ code: 'WRONG_TYPE', message, path: [...this.path, key, index] });
      return '';
    });
  }

  /** A misspelt key must not be passed over: without its `deps`, a task would run too early. */
  refuseUnknown(known: readonly string[], ignored: ReadonlySet<string>): void {
    for (const key of Object.keys(this.#json)) {
      if (known.includes(key) || ignored.has(key)) continue;
      const message = `${this.owner}: unknown key ${show(key)}; known: ${known.join(', ')}`;
      this.#faults.push({ code: 'UNKNOWN_KEY', message, path: [...this.path, key], at: 'key' });
    }
  }

  #number(
    key: string,
    kind: string,
    { min, max }: { min: number; max: number },
    otherwise: number,
    isKind: (value: unknown) => boolean,
  ): number {
    const value = this.value(key);
    if (value === undefined) return otherwise;
    if (typeof value === 'number' && isKind(value) && value >= min && value <= max) return value;
    const range = min === -Infinity ? `at most ${max}` : `from ${min} to ${max}`;
    this.#refuseType(key, `${kind} ${range}`, value);
    return otherwise;
  }

  #refuseType(key: string, expected: string, found: JsonValue): void {
    const code = typeof found === 'number' ? 'BAD_VALUE' : 'WRONG_TYPE';
    this.refuse(code, key, `"${key}" must be ${expected}, found ${show(found)}`);
  }
}

export function isJsonObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The value of a key of an object; `undefined` for null and for what is no object. */
export function ownValue(json: JsonValue | undefined, key: string): JsonValue | undefined {
  if (!isJsonObject(json) || !Object.hasOwn(json, key)) return undefined;
  return json[key] ?? undefined;
}

/** A value as messages show it, shortened. */
export function show(value: JsonValue | undefined): string {
  if (Array.isArray(value)) return value.length === 0 ? 'an empty list' : 'a list';
  if (isJsonObject(value)) return 'a mapping';
  if (typeof value !== 'string') return String(value);
  return JSON.stringify(value.length > 60 ? `${value.slice(0, 59)}…` : value);
}
