import { readFile } from 'node:fs/promises';
import { text } from 'node:stream/consumers';
import { EXIT, TrainyardError } from '@trainyard/protocol';
import type { CliContext } from '../cli-context.ts';
import { table } from '../view/table.ts';
import { withServer } from './runs.ts';

export interface SetSecretOptions {
  readonly fromEnv?: string;
  readonly fromFile?: string;
}

export async function setSecretCommand(
  context: CliContext,
  name: string,
  options: SetSecretOptions,
): Promise<number> {
  const value = await readValue(options);
  return withServer(context, async ({ client }) => {
    await client.secrets.set(name, value);
    context.out(context.json ? `${JSON.stringify({ name })}\n` : `${name} stored\n`);
    return EXIT.ok;
  });
}

export function listSecretsCommand(context: CliContext): Promise<number> {
  return withServer(context, async ({ client }) => {
    const secrets = await client.secrets.list();
    if (context.json) {
      context.out(`${JSON.stringify(secrets, null, 2)}\n`);
      return EXIT.ok;
    }
    if (secrets.length === 0) context.err('No secrets.\n');
    const rows = secrets.map(({ name, createdAt, updatedAt }) => [name, createdAt, updatedAt]);
    context.out(table(['name', 'created', 'changed'], rows));
    return EXIT.ok;
  });
}

export function removeSecretCommand(context: CliContext, name: string): Promise<number> {
  return withServer(context, async ({ client }) => {
    await client.secrets.remove(name);
    context.out(context.json ? `${JSON.stringify({ name, removed: true })}\n` : `${name} removed\n`);
    return EXIT.ok;
  });
}

/** Never from an argument: others on the machine can see those. */
async function readValue({ fromEnv, fromFile }: SetSecretOptions): Promise<string> {
  if (fromEnv !== undefined && fromFile !== undefined) {
    throw new TrainyardError('USAGE', 'Give --from-env or --from-file, not both.');
  }
  if (fromEnv !== undefined) {
    const value = process.env[fromEnv];
    if (value !== undefined && value !== '') return value;
    throw new TrainyardError('USAGE', `The environment has no variable ${fromEnv}, or it is empty.`);
  }
  if (fromFile === undefined && process.stdin.isTTY) {
    throw new TrainyardError(
      'USAGE',
      'The value is read from standard input, --from-env VAR or --from-file FILE; for example: printf %s "$KEY" | trainyard secrets set KEY',
    );
  }
  const given = fromFile === undefined ? await text(process.stdin) : await readSecretFile(fromFile);
  // A line end is how editors and `echo` close a text, not part of what is meant.
  const value = given.replace(/\r?\n$/, '');
  if (value !== '') return value;
  throw new TrainyardError('USAGE', 'The value is empty.');
}

async function readSecretFile(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    throw new TrainyardError('USAGE', `${path} cannot be read: ${(error as Error).message}`, {
      cause: error,
    });
  }
}
