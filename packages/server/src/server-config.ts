import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type ServerConfig, serverConfig, TrainyardError } from '@trainyard/protocol';
import { parseDocument } from 'yaml';

const MAX_FILE_BYTES = 1024 * 1024;

/**
 * Reads the configuration file of a server: the one that is given, or `config.yaml` of the data directory, which need
 * not be there; then the defaults hold.
 * @throws TrainyardError USAGE naming the file, the place and what is wrong with it
 */
export async function readServerConfig(options: {
  readonly dataDir: string;
  readonly configFile?: string | undefined;
}): Promise<ServerConfig> {
  const path = options.configFile ?? join(options.dataDir, 'config.yaml');
  const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT' && options.configFile === undefined) return '';
    throw refused(path, `it cannot be read (${error.code})`);
  });
  if (text.length > MAX_FILE_BYTES) throw refused(path, `it has more than ${MAX_FILE_BYTES} bytes`);
  const document = parseDocument(text, { prettyErrors: true });
  const [fault] = document.errors;
  if (fault !== undefined) throw refused(path, fault.message.split('\n')[0]!);
  const parsed = serverConfig.safeParse(document.toJS() ?? {});
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  const where = issue === undefined || issue.path.length === 0 ? '' : `"${issue.path.join('.')}" `;
  throw refused(path, `${where}${issue?.message ?? 'it is no such file'}`);
}

function refused(path: string, why: string): TrainyardError {
  return new TrainyardError(
    'USAGE',
    `The server's configuration file ${path} cannot be used: ${why}. docs/guides/team-server.md lists its keys.`,
  );
}
