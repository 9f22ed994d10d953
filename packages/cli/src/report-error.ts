import type { DefinitionFault } from '@trainyard/protocol/definition';
import { EXIT, TrainyardError } from '@trainyard/protocol/plain';
import { CommanderError } from 'commander';
import { Interrupted } from './interrupt.ts';

export interface ReportOptions {
  readonly json: boolean;
  readonly debug: boolean;
}

/** Writes what went wrong to stderr, as text or as the error body of the API, and gives the exit code. */
export function reportError(error: unknown, options: ReportOptions): number {
  if (error instanceof Interrupted) {
    if (error.message !== '') process.stderr.write(`${error.message}\n`);
    return EXIT.interrupted;
  }
  // Help was written because no command was given: there is nothing to add to it.
  if (error instanceof CommanderError && error.code === 'commander.help') return EXIT.usage;
  const known = toTrainyardError(error);
  if (known === undefined) {
    process.stderr.write(unexpectedText(error, options));
    return EXIT.internal;
  }
  process.stderr.write(
    options.json ? `${JSON.stringify(known.toBody())}\n` : `${errorText(known, options.debug)}\n`,
  );
  return known.exitCode;
}

/** A fault with its file, where there are several. */
export interface FaultOfFile extends DefinitionFault {
  readonly fileName?: string;
}

/** A fault of a definition as compilers write it. */
export function faultLine(file: string, fault: DefinitionFault): string {
  const message = visible(fault.message).replaceAll('\n', ' ');
  if (fault.line === undefined) return `${file}: ${message}`;
  return `${file}:${fault.line}:${fault.column ?? 1}: ${message}`;
}

/** Text of others without control characters that a terminal would obey: they are written as escapes. */
function visible(text: string): string {
  return text.replaceAll(/(?![\n\t])\p{Cc}/gu, (character) => {
    return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
  });
}

function errorText(error: TrainyardError, debug: boolean): string {
  const details = error.details as { faults?: FaultOfFile[]; fileName?: string } | undefined;
  const lines =
    error.code === 'INVALID_DEFINITION' && details?.faults !== undefined
      ? details.faults.map((fault) => faultLine(fault.fileName ?? details.fileName ?? 'pipeline', fault))
      : [`error: ${visible(inOptionWords(error))}`];
  if (debug && error.stack !== undefined) lines.push(error.stack, causeText(error));
  return lines.filter((line) => line !== '').join('\n');
}

/** A place in a request as the command line calls it: `body/everyMs` is `--every`, or the argument `every`. */
function inOptionWords({ code, message }: TrainyardError): string {
  if (code !== 'INVALID_REQUEST') return message;
  return message.replaceAll(/(^|; )(?:body|params|querystring)\/([A-Za-z]+)/g, (_, before, field: string) => {
    const word = field.replace(/Ms$/, '').replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
    return `${before}${word}`;
  });
}

function causeText(error: Error): string {
  return error.cause instanceof Error ? `caused by ${error.cause.stack ?? error.cause.message}` : '';
}

function toTrainyardError(error: unknown): TrainyardError | undefined {
  if (error instanceof TrainyardError) return error;
  if (error instanceof CommanderError) {
    return new TrainyardError('USAGE', error.message.replace(/^error: /, ''));
  }
  return undefined;
}

function unexpectedText(error: unknown, { json, debug }: ReportOptions): string {
  const message = error instanceof Error ? error.message : String(error);
  const body = new TrainyardError('INTERNAL', message).toBody();
  if (json) return `${JSON.stringify(body)}\n`;
  const stack = debug && error instanceof Error ? `${error.stack}\n${causeText(error)}\n` : '';
  const hint = debug
    ? ''
    : 'This is a fault of Trainyard itself. Run the command again with --debug to see where.\n';
  return `internal error: ${message}\n${stack}${hint}`;
}
