import { DEFINITION_LIMITS, type JsonValue } from '@trainyard/protocol/definition';
import type { Fault, Locate, Position } from './faults.ts';
import { readJsonSource } from './json-source.ts';
import { unstorableTextFaults } from './unstorable-text.ts';
import { readYamlSource } from './yaml-source.ts';

/** The text of a file, read. */
export interface TextSource {
  /** The document as JSON; `undefined` when it could not be read at all. */
  readonly json: JsonValue | undefined;
  readonly faults: readonly Fault[];
  readonly locate: Locate;
}

/**
 * Reads YAML 1.2 or JSON that a stranger may have written. Size, tokens and alias expansion are bounded,
 * duplicate keys, unknown tags and prototype keys are faults, and nothing throws.
 */
export function readTextSource(source: string): TextSource {
  const unread = sizeFault(source) ?? noTextFault(source);
  if (unread !== undefined) return { json: undefined, faults: [unread], locate: () => undefined };
  const ofJson = readJsonSource(source);
  const read = ofJson === undefined ? readYamlSource(source) : { ...ofJson, faults: [] };
  if (read.json === undefined) return read;
  return { ...read, faults: [...read.faults, ...unstorableTextFaults(source, read.json)] };
}

function sizeFault(source: string): Fault | undefined {
  const { maxBytes, maxStages } = DEFINITION_LIMITS;
  const sizeBytes = Buffer.byteLength(source);
  if (sizeBytes <= maxBytes) return undefined;
  const kept = Buffer.from(source).subarray(0, maxBytes).toString();
  const message = `the file has ${sizeBytes} bytes; the limit of ${maxBytes} bytes is passed here (a pipeline has at most ${maxStages} stages in ${maxBytes} bytes)`;
  return { code: 'TOO_LARGE', message, path: [], position: endOf(kept) };
}

/** Control characters, which neither YAML nor JSON allows as they are: those of a binary file that was named. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const NO_TEXT = /[\u0000-\u0008\u000b\u000c\u000e-\u001f]/;

function noTextFault(source: string): Fault | undefined {
  const at = source.search(NO_TEXT);
  if (at < 0) return undefined;
  const code = source.charCodeAt(at).toString(16).toUpperCase().padStart(4, '0');
  const message = `this is no text: the character U+${code} is not allowed here; a pipeline file is YAML or JSON in UTF-8`;
  return { code: 'NOT_TEXT', message, path: [], position: endOf(source.slice(0, at)) };
}

function endOf(text: string): Position {
  const lastBreak = text.lastIndexOf('\n');
  let line = 1;
  for (let at = text.indexOf('\n'); at !== -1; at = text.indexOf('\n', at + 1)) line += 1;
  return { line, column: text.length - lastBreak };
}
