import { parseByteSize } from '@trainyard/protocol/plain';
import { InvalidArgumentError } from 'commander';

/** Reads an option that is a whole number within limits. */
export function wholeNumber(name: string, min: number, max = Number.MAX_SAFE_INTEGER) {
  return (text: string): number => {
    const value = Number(text);
    if (/^\d+$/.test(text) && value >= min && value <= max) return value;
    const limit = max === Number.MAX_SAFE_INTEGER ? `>= ${min}` : `from ${min} to ${max}`;
    throw new InvalidArgumentError(`${name} must be a whole number ${limit}.`);
  };
}

/** Reads an option that is a number above zero, such as 2.5. */
export function positiveNumber(name: string) {
  return (text: string): number => {
    const value = Number(text);
    if (/^\d*\.?\d+$/.test(text) && value > 0) return value;
    throw new InvalidArgumentError(`${name} must be a number above zero.`);
  };
}

/** Reads an option that is a number of bytes, such as 500000, 512M or 4GiB; the units are powers of 1024. */
export function byteSize(name: string) {
  return (text: string): number => {
    const bytes = parseByteSize(text);
    if (bytes !== undefined) return bytes;
    throw new InvalidArgumentError(`${name} must be a number of bytes, such as 512M or 4G.`);
  };
}

/** Reads a repeatable option of the form key=value; the last value of a key counts. */
export function keyValue(name: string) {
  return (text: string, earlier: Readonly<Record<string, string>> = {}): Record<string, string> => {
    const equals = text.indexOf('=');
    if (equals < 1) throw new InvalidArgumentError(`write --${name} key=value.`);
    const key = text.slice(0, equals);
    if (key === '__proto__') throw new InvalidArgumentError(`"${key}" is not allowed as a key.`);
    return { ...earlier, [key]: text.slice(equals + 1) };
  };
}

/** Reads an option that may be given several times. */
export function collect(text: string, earlier: readonly string[] = []): readonly string[] {
  return [...earlier, text];
}
