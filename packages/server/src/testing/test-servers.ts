import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  type EmbeddedPostgres,
  type PostgresBinaries,
  startEmbeddedPostgres,
} from '../store/embedded/index.ts';
import { DEBIAN_URL_VARIABLE, EMBEDDED_URL_VARIABLE, socketUrl } from './databases.ts';

/** The database servers of one test run. */
export interface TestServers {
  /** One line per engine that is missing, with the reason; for the closing lines of the run. */
  readonly missing: readonly string[];
  stop(): Promise<void>;
}

/** Where Debian's package `postgresql-15` puts its programs. */
const DEBIAN_BIN_DIRECTORY = '/usr/lib/postgresql/15/bin';

/** Durability is of no use to data that is thrown away. */
const TEST_SETTINGS = {
  fsync: 'off',
  synchronous_commit: 'off',
  full_page_writes: 'off',
  max_connections: '150',
};

/**
 * Starts every engine in a directory for temporary files and puts its address, or why there is none, into
 * the environment, where `testDatabases` finds it. An address that is set already is left as it is.
 */
export async function startTestServers(): Promise<TestServers> {
  const directory = mkdtempSync(join(tmpdir(), 'trainyard-test-'));
  const [embedded, debian] = await Promise.all([
    startEngine(EMBEDDED_URL_VARIABLE, join(directory, 'pg18'), () => undefined),
    startEngine(DEBIAN_URL_VARIABLE, join(directory, 'pg15'), debianBinaries),
  ]);
  const engines = [embedded, debian];
  return {
    missing: engines.flatMap((engine) => (engine.reason === undefined ? [] : [engine.reason])),
    stop: async () => {
      await Promise.all(engines.map((engine) => engine.server?.stop()));
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

interface StartedEngine {
  readonly server?: EmbeddedPostgres;
  readonly reason?: string;
}

async function startEngine(
  variable: string,
  dataDir: string,
  binaries: () => PostgresBinaries | undefined,
): Promise<StartedEngine> {
  if (process.env[variable]?.startsWith('postgres') === true) return {};
  try {
    const found = binaries();
    const server = await startEmbeddedPostgres({
      dataDir,
      settings: TEST_SETTINGS,
      ...(found === undefined ? {} : { binaries: found }),
    });
    process.env[variable] = socketUrl(server.connection);
    return { server };
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    process.env[variable] = reason;
    return { reason };
  }
}

function debianBinaries(): PostgresBinaries {
  const program = join(DEBIAN_BIN_DIRECTORY, 'postgres');
  if (!existsSync(program)) {
    throw new Error(
      `PostgreSQL 15 is not installed (${program}; on Debian 12: apt-get install postgresql-15)`,
    );
  }
  const version = /(\d+)\.\d+/.exec(execFileSync(program, ['--version'], { encoding: 'utf8' }));
  return {
    version: version?.[0] ?? '15',
    major: Number(version?.[1] ?? 15),
    binDirectory: DEBIAN_BIN_DIRECTORY,
    nativeDirectory: undefined,
  };
}
