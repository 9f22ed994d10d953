import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { DEFINITION_LIMITS, TrainyardError } from '@trainyard/protocol/plain';
import type { Command } from 'commander';
import { createStyle, type Style } from './view/style.ts';

/** Options that every command has. */
export interface GlobalOptions {
  readonly url?: string;
  readonly token?: string;
  readonly dataDir?: string;
  readonly json?: boolean;
  /** False for `--no-color`. */
  readonly color?: boolean;
  readonly debug?: boolean;
}

/** The surroundings of a command, resolved once: flag over environment over default. */
export interface CliContext {
  /** Set when the user names a server; nothing is started then. */
  readonly url: string | undefined;
  readonly token: string | undefined;
  readonly dataDir: string;
  readonly databaseUrl: string | undefined;
  /** Levels of pipelines that a server started here allows, and `validate` too. */
  readonly maxDepth: number | undefined;
  /** Configuration file of a server that is started here. */
  readonly configFile: string | undefined;
  readonly json: boolean;
  readonly debug: boolean;
  /** Colours for stdout and for stderr, which may be different things. */
  readonly outStyle: Style;
  readonly errStyle: Style;
  /** A person watches: moving output is allowed on stderr. */
  readonly isInteractive: boolean;
  /** That person can answer, too: stdin is a terminal as well. */
  readonly canAsk: boolean;
  out(text: string): void;
  err(text: string): void;
}

export function contextOf(command: Command): CliContext {
  return createContext(command.optsWithGlobals<GlobalOptions>(), process.env);
}

export function createContext(
  options: GlobalOptions,
  env: Readonly<Record<string, string | undefined>>,
): CliContext {
  const url = options.url ?? nonEmpty(env['TRAINYARD_URL']);
  const home = options.dataDir ?? nonEmpty(env['TRAINYARD_HOME']) ?? join(homedir(), '.trainyard');
  const isErrTerminal = process.stderr.isTTY === true;
  const isInteractive = isErrTerminal && nonEmpty(env['CI']) === undefined && env['TERM'] !== 'dumb';
  return {
    url,
    token: options.token ?? nonEmpty(env['TRAINYARD_TOKEN']),
    dataDir: resolve(home),
    databaseUrl: nonEmpty(env['TRAINYARD_DATABASE_URL']),
    maxDepth: maxDepthOf(nonEmpty(env['TRAINYARD_MAX_DEPTH'])),
    configFile: nonEmpty(env['TRAINYARD_CONFIG']),
    json: options.json === true,
    debug: options.debug === true,
    outStyle: createStyle(wantsColor(options, env, process.stdout.isTTY === true)),
    errStyle: createStyle(wantsColor(options, env, isErrTerminal)),
    isInteractive,
    canAsk: isInteractive && process.stdin.isTTY === true,
    out: (text) => process.stdout.write(text),
    err: (text) => process.stderr.write(text),
  };
}

/** `--no-color` over NO_COLOR over FORCE_COLOR over what the stream is (no-color.org, force-color.org). */
export function wantsColor(
  options: Pick<GlobalOptions, 'color'>,
  env: Readonly<Record<string, string | undefined>>,
  isTerminal: boolean,
): boolean {
  if (options.color === false || nonEmpty(env['NO_COLOR']) !== undefined) return false;
  const force = nonEmpty(env['FORCE_COLOR']);
  if (force !== undefined) return force !== '0' && force !== 'false';
  return isTerminal && env['TERM'] !== 'dumb';
}

/** @throws TrainyardError USAGE */
function maxDepthOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const { highestMaxDepth } = DEFINITION_LIMITS;
  const value = Number(text);
  if (/^\d+$/.test(text) && value >= 1 && value <= highestMaxDepth) return value;
  const message = `TRAINYARD_MAX_DEPTH is "${text}"; it must be a whole number from 1 to ${highestMaxDepth}.`;
  throw new TrainyardError('USAGE', message);
}

function nonEmpty(text: string | undefined): string | undefined {
  return text === '' ? undefined : text;
}
