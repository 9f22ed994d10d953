import { EXIT, TrainyardError } from '@trainyard/protocol';
import type { CliContext } from '../cli-context.ts';
import type { Connection } from '../connection.ts';
import { readDuration } from '../options/duration-option.ts';
import { table } from '../view/table.ts';
import { type WorkOptions, withServer } from './runs.ts';

export interface CreateTokenOptions {
  readonly name: string;
  readonly scope?: readonly string[];
  readonly expires?: string;
  readonly owner?: string;
}

export function createTokenCommand(context: CliContext, options: CreateTokenOptions): Promise<number> {
  const expiresInMs = options.expires === undefined ? undefined : readDuration('expires', options.expires);
  const create = async ({ client }: Connection): Promise<number> => {
    const created = await client.createToken({
      name: options.name,
      scopes: options.scope ?? ['user'],
      ...(expiresInMs === undefined ? {} : { expiresInMs }),
      ...(options.owner === undefined ? {} : { owner: options.owner }),
    });
    context.err('This token is shown once. Keep it in TRAINYARD_TOKEN.\n');
    context.out(context.json ? `${JSON.stringify(created)}\n` : `${created.token}\n`);
    return EXIT.ok;
  };
  return asAdministrator(context, create, { once: true });
}

export function listTokensCommand(context: CliContext): Promise<number> {
  return asAdministrator(context, async ({ client }) => {
    const tokens = await client.listTokens();
    if (context.json) {
      context.out(`${JSON.stringify(tokens, null, 2)}\n`);
      return EXIT.ok;
    }
    if (tokens.length === 0) context.err('No tokens.\n');
    const rows = tokens.map((token) => [
      token.id,
      token.name,
      token.scopes.join(', '),
      token.createdAt,
      token.revokedAt === null ? (token.expiresAt ?? 'never') : 'revoked',
      token.lastUsedAt ?? '-',
    ]);
    context.out(table(['id', 'name', 'scopes', 'created', 'expires', 'last used'], rows));
    return EXIT.ok;
  });
}

export function revokeTokenCommand(context: CliContext, id: string): Promise<number> {
  return asAdministrator(context, async ({ client }) => {
    await client.revokeToken(id);
    context.out(context.json ? `${JSON.stringify({ id, revoked: true })}\n` : `${id} revoked\n`);
    return EXIT.ok;
  });
}

/** Whoever has no token that may do this can do it all the same where the server is. */
async function asAdministrator<T>(
  context: CliContext,
  work: (connection: Connection) => Promise<T>,
  options?: WorkOptions,
): Promise<T> {
  try {
    return await withServer(context, work, options);
  } catch (error) {
    if (!(error instanceof TrainyardError) || error.exitCode !== EXIT.auth) throw error;
    const hint =
      'Who has no token with the scope admin gives this command on the machine of the server, as the user that runs ' +
      'it, without TRAINYARD_URL, TRAINYARD_TOKEN, --url and --token (and with its --data-dir, or with the same ' +
      'TRAINYARD_DATABASE_URL).';
    throw new TrainyardError(error.code, `${error.message} ${hint}`, { cause: error });
  }
}
