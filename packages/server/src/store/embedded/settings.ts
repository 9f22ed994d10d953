/** Port that only names the socket file; nothing listens on TCP. */
export const SOCKET_PORT = 5432;

/** Role that owns everything in the embedded database. It has no password, see data-directory.ts. */
export const DATABASE_USER = 'trainyard';

/** Database that initdb creates; a second one would cost start-up time and bring nothing. */
export const DATABASE_NAME = 'postgres';

/** Name of the setting by which a running postmaster tells which owner started it. */
export const OWNER_SETTING = 'trainyard.owner';

export type Settings = Readonly<Record<string, string>>;

/**
 * Settings of the server process, given on its command line so that an old configuration file never holds
 * back a newer Trainyard. Sized for one machine that also trains: 64 MB of buffers, 60 connections.
 */
export function serverSettings(params: {
  readonly major: number;
  readonly socketDirectory: string;
  readonly ownerId: string;
  readonly overrides: Settings;
}): Settings {
  return {
    listen_addresses: '',
    port: String(SOCKET_PORT),
    unix_socket_directories: quoteDirectory(params.socketDirectory),
    unix_socket_permissions: '0700',
    shared_buffers: '64MB',
    max_connections: '60',
    fsync: 'on',
    synchronous_commit: 'on',
    // The builds have no LZ4.
    wal_compression: 'pglz',
    jit: 'off',
    // Nothing subscribes here; this saves a process.
    max_logical_replication_workers: '0',
    cluster_name: 'trainyard',
    huge_pages: 'off',
    timezone: 'UTC',
    log_timezone: 'UTC',
    log_line_prefix: '%m [%p] ',
    log_checkpoints: 'off',
    // From 18 on; worker processes for reads would cost memory and start-up time for nothing here.
    ...(params.major >= 18 ? { io_method: 'sync' } : {}),
    ...params.overrides,
    [OWNER_SETTING]: params.ownerId,
  };
}

/**
 * Arguments of initdb for a new cluster: UTF-8, sorted by code point, so that the same text sorts the same
 * on every machine and no ICU version can invalidate an index. Durability is taken care of by the caller.
 */
export function initdbArguments(major: number, clusterDirectory: string): string[] {
  return [
    `--pgdata=${clusterDirectory}`,
    `--username=${DATABASE_USER}`,
    '--auth=trust',
    '--encoding=UTF8',
    '--locale=C',
    // 17 brought a provider that knows Unicode's upper and lower case yet sorts like C.
    ...(major >= 17 ? ['--locale-provider=builtin', '--builtin-locale=C.UTF-8'] : []),
    '--no-sync',
    '--no-instructions',
  ];
}

export function commandLineSettings(settings: Settings): string[] {
  return Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
}

/** The setting is a list separated by commas, in which a name may stand in double quotes. */
function quoteDirectory(directory: string): string {
  return `"${directory.replaceAll('"', '""')}"`;
}
