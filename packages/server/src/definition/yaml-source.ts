import { DEFINITION_LIMITS, type JsonValue } from '@trainyard/protocol';
import { type Document, isScalar, Lexer, LineCounter, type Node, parseDocument } from 'yaml';
import type { Fault, Locate, Position } from './faults.ts';
import { locatorIn } from './yaml-locator.ts';
import { YamlReader } from './yaml-reader.ts';

/** Most lexical tokens of a file. The largest allowed pipeline has fewer; parsing more would take seconds. */
const MAX_TOKENS = 2_500_000;
/** Syntax errors shown: one slip tends to cause many. */
const MAX_SYNTAX_FAULTS = 5;

export interface YamlSource {
  /** The document as JSON; `undefined` when it could not be read at all. */
  readonly json: JsonValue | undefined;
  readonly faults: readonly Fault[];
  readonly locate: Locate;
}

/**
 * Reads YAML 1.2 (or JSON) that a stranger may have written. Size, tokens and alias expansion are bounded,
 * duplicate keys, unknown tags and prototype keys are faults, and nothing throws.
 */
export function readYamlSource(source: string): YamlSource {
  const tooLarge = sizeFault(source);
  if (tooLarge !== undefined) return { json: undefined, faults: [tooLarge], locate: nowhere };
  const noText = noTextFault(source);
  if (noText !== undefined) return { json: undefined, faults: [noText], locate: nowhere };
  const lines = new LineCounter();
  const position = (offset: number): Position => {
    const { line, col } = lines.linePos(offset);
    return { line: Math.max(1, line), column: Math.max(1, col) };
  };
  let document: Document.Parsed;
  try {
    // Keys are compared in the reader: the library compares each with each, which takes hours for many.
    document = parseDocument(source, {
      lineCounter: lines,
      prettyErrors: false,
      uniqueKeys: false,
      merge: true,
    });
  } catch (error) {
    const message =
      error instanceof RangeError ? 'values are nested too deeply' : `not YAML: ${String(error)}`;
    return { json: undefined, faults: [syntaxFault(message, { line: 1, column: 1 })], locate: nowhere };
  }
  const faults = syntaxFaults(document, position);
  if (faults.length > 0) return { json: undefined, faults, locate: nowhere };
  if (document.contents === null || isEmptyScalar(document.contents)) {
    const message = 'the file is empty; a pipeline needs at least "name" and "stages"';
    const fault: Fault = { code: 'EMPTY', message, path: [], position: { line: 1, column: 1 } };
    return { json: undefined, faults: [fault], locate: nowhere };
  }
  const reader = new YamlReader(position);
  const json = reader.read(document.contents);
  const root = document.contents;
  return { json, faults: reader.faults, locate: locatorIn(root, reader, position) };
}

function sizeFault(source: string): Fault | undefined {
  const { maxBytes, maxStages } = DEFINITION_LIMITS;
  const limit = `a pipeline has at most ${maxStages} stages in ${maxBytes} bytes`;
  const sizeBytes = Buffer.byteLength(source);
  if (sizeBytes > maxBytes) {
    const kept = Buffer.from(source).subarray(0, maxBytes).toString();
    const message = `the file has ${sizeBytes} bytes; the limit of ${maxBytes} bytes is passed here (${limit})`;
    return { code: 'TOO_LARGE', message, path: [], position: endOf(kept) };
  }
  // A token has at least one character, so short files need no count.
  if (source.length <= MAX_TOKENS) return undefined;
  let tokens = 0;
  let offset = 0;
  for (const token of new Lexer().lex(source)) {
    tokens += 1;
    offset += token.length;
    if (tokens > MAX_TOKENS) {
      const message = `the file has more than ${MAX_TOKENS} YAML tokens; the limit is passed near here (${limit})`;
      return { code: 'TOO_LARGE', message, path: [], position: endOf(source.slice(0, offset)) };
    }
  }
  return undefined;
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

function syntaxFaults(document: Document.Parsed, position: (offset: number) => Position): Fault[] {
  // A tag that is not known changes what a value means, so a warning about one is a fault here.
  const tags = document.warnings.filter((warning) => warning.code === 'TAG_RESOLVE_FAILED');
  return [...document.errors, ...tags].slice(0, MAX_SYNTAX_FAULTS).map((error) => {
    if (error.code === 'MULTIPLE_DOCS') {
      const message = 'a second YAML document starts here; a pipeline file holds exactly one';
      return { code: 'MULTIPLE_DOCUMENTS', message, path: [], position: position(error.pos[0]) };
    }
    // The composer recurses and gives up when brackets are nested thousands deep.
    const isTooDeep = error.message.startsWith('Maximum call stack');
    const message = isTooDeep ? 'values are nested too deeply' : `not valid YAML: ${error.message}`;
    return syntaxFault(message, position(error.pos[0]));
  });
}

function syntaxFault(message: string, position: Position): Fault {
  return { code: 'SYNTAX', message, path: [], position };
}

function isEmptyScalar(node: Node): boolean {
  return isScalar(node) && (node.value === null || node.value === '');
}

function nowhere(): undefined {
  return undefined;
}
