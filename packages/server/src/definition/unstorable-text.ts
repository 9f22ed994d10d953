import type { JsonValue } from '@trainyard/protocol/definition';
import { type DefinitionPath, type Fault, MAX_PLACED } from './faults.ts';

/**
 * Texts that a database cannot hold and no program can be given. As they are, such characters are no text at all;
 * files write them as escapes, so that only a file with such an escape has to be looked through.
 */
export function unstorableTextFaults(source: string, json: JsonValue): Fault[] {
  const faults: Fault[] = [];
  if (ESCAPED.test(source) || !source.isWellFormed()) collect(json, [], faults);
  return faults;
}

/** NUL as JSON and YAML write it, and what may be half of a surrogate pair. */
const ESCAPED = /\\(?:0|x00|u0000|U0{8}|u[dD][89a-fA-F]|U0000[dD][89a-fA-F])/;

function collect(value: JsonValue, path: DefinitionPath, faults: Fault[]): void {
  if (faults.length >= MAX_PLACED) return;
  if (typeof value === 'string') {
    const found = unstorable(value);
    if (found !== undefined) faults.push(faultOf(found, path, 'value'));
    return;
  }
  if (typeof value !== 'object' || value === null) return;
  if (Array.isArray(value)) {
    for (let index = 0; index < value.length; index++) collect(value[index]!, [...path, index], faults);
    return;
  }
  for (const [key, inner] of Object.entries(value)) {
    const found = unstorable(key);
    if (found !== undefined) faults.push(faultOf(found, [...path, key], 'key'));
    collect(inner, [...path, key], faults);
  }
}

function unstorable(text: string): string | undefined {
  if (text.includes('\0')) return 'a NUL character';
  return text.isWellFormed() ? undefined : 'half of a surrogate pair';
}

function faultOf(found: string, path: DefinitionPath, at: 'key' | 'value'): Fault {
  const message = `this ${at === 'key' ? 'key' : 'text'} holds ${found}, which can neither be stored nor given to a program; leave it out`;
  return { code: 'UNSTORABLE_TEXT', message, path, at };
}
