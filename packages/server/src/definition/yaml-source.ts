import { DEFINITION_LIMITS } from '@trainyard/protocol/definition';
import {
  Composer,
  type Document,
  isScalar,
  Lexer,
  LineCounter,
  type Node,
  Parser,
  YAMLParseError,
} from 'yaml';
import type { Fault, Position } from './faults.ts';
import type { TextSource } from './text-source.ts';
import { locatorIn } from './yaml-locator.ts';
import { YamlReader } from './yaml-reader.ts';

/** Most lexical tokens of a file: reading more would hold up a server for seconds. JSON is read another way. */
const MAX_TOKENS = 2_500_000;
/** Syntax errors shown: one slip tends to cause many. */
const MAX_SYNTAX_FAULTS = 5;

/** Reads YAML 1.2 of a size that is allowed. Never throws. */
export function readYamlSource(source: string): TextSource {
  const lines = new LineCounter();
  const position = (offset: number): Position => {
    const { line, col } = lines.linePos(offset);
    return { line: Math.max(1, line), column: Math.max(1, col) };
  };
  let document: Document.Parsed;
  try {
    document = composed(source, lines);
  } catch (error) {
    return unreadable(faultOfThrown(error, position));
  }
  const faults = syntaxFaults(document, position);
  if (faults.length > 0) return { json: undefined, faults, locate: nowhere };
  if (document.contents === null || isEmptyScalar(document.contents)) {
    const message = 'the file is empty; a pipeline needs at least "name" and "stages"';
    return unreadable({ code: 'EMPTY', message, path: [], position: { line: 1, column: 1 } });
  }
  const reader = new YamlReader(position);
  const json = reader.read(document.contents);
  const root = document.contents;
  return { json, faults: reader.faults, locate: locatorIn(root, reader, position) };
}

function unreadable(fault: Fault): TextSource {
  return { json: undefined, faults: [fault], locate: nowhere };
}

class TooManyTokensError extends Error {
  readonly offset: number;

  constructor(offset: number) {
    super(`more than ${MAX_TOKENS} tokens`);
    this.offset = offset;
  }
}

/** As the library's `parseDocument`, with the tokens counted while they are read. */
function composed(source: string, lines: LineCounter): Document.Parsed {
  // Keys are compared in the reader: the library compares each with each, which takes hours for many.
  const composer = new Composer({ lineCounter: lines, prettyErrors: false, uniqueKeys: false, merge: true });
  let first: Document.Parsed | undefined;
  for (const document of composer.compose(tokensOf(source, lines), true, source.length)) {
    if (first === undefined) {
      first = document;
      continue;
    }
    const [from, to] = document.range;
    first.errors.push(new YAMLParseError([from, to], 'MULTIPLE_DOCS', 'a second document'));
    break;
  }
  return first!;
}

function* tokensOf(source: string, lines: LineCounter): ReturnType<Parser['parse']> {
  const parser = new Parser(lines.addNewLine);
  lines.addNewLine(0);
  let count = 0;
  let offset = 0;
  for (const lexeme of new Lexer().lex(source)) {
    count += 1;
    offset += lexeme.length;
    if (count > MAX_TOKENS) throw new TooManyTokensError(offset);
    yield* parser.next(lexeme);
  }
  yield* parser.end();
}

function faultOfThrown(error: unknown, position: (offset: number) => Position): Fault {
  if (error instanceof TooManyTokensError) {
    const { maxBytes, maxStages } = DEFINITION_LIMITS;
    const message = `the file has more than ${MAX_TOKENS} YAML tokens; the limit is passed near here (a pipeline has at most ${maxStages} stages in ${maxBytes} bytes; as JSON it may have as many tokens as these need)`;
    return { code: 'TOO_LARGE', message, path: [], position: position(error.offset) };
  }
  const message = error instanceof RangeError ? 'values are nested too deeply' : `not YAML: ${String(error)}`;
  return syntaxFault(message, { line: 1, column: 1 });
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
