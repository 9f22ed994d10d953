import { type ChildProcess, spawn } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import type { EmbeddedPostgres } from '../embedded-postgres.ts';

type Connection = EmbeddedPostgres['connection'];

export interface Holder {
  readonly child: ChildProcess;
  /** What the program printed. */
  readonly answer: { readonly connection?: Connection; readonly code?: string; readonly message?: string };
}

/**
 * Runs a database in a process of its own, which the test may kill.
 *
 * @param options.ids the user to run as; the directory is then that user's home.
 * @param options.dataDir the database's directory, if not `directory` itself.
 */
export async function holdDatabase(
  directory: string,
  options: { readonly ids?: { readonly uid: number; readonly gid: number }; readonly dataDir?: string } = {},
): Promise<Holder> {
  const program = fileURLToPath(new URL('./hold-database.ts', import.meta.url));
  const child = spawn(process.execPath, [program, options.dataDir ?? directory], {
    ...(options.ids === undefined ? {} : { uid: options.ids.uid, gid: options.ids.gid }),
    cwd: '/',
    env: { PATH: process.env['PATH'], HOME: options.ids === undefined ? process.env['HOME'] : directory },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  for await (const line of createInterface({ input: child.stdout })) {
    return { child, answer: JSON.parse(line) as Holder['answer'] };
  }
  throw new Error('the process ended without a word');
}

/** Kills without a chance to clean up and waits until the process is gone. */
export async function killHard(child: ChildProcess): Promise<void> {
  const gone = new Promise((resolve) => child.once('exit', resolve));
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill('SIGKILL');
  await gone;
}

/** Pid of the server of a data directory, as it wrote it. */
export function postmasterPid(dataDir: string): number {
  return Number.parseInt(readFileSync(`${dataDir}/cluster/postmaster.pid`, 'utf8'), 10);
}

/** Processes whose command line names something in the directory: postmaster and watchdog, no holder. */
export function processesNaming(directory: string): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .filter(
      (name) => commandLine(name).includes(`${directory}/`) && !commandLine(name).includes('hold-database'),
    )
    .map(Number);
}

/** Pids of the watchdog's two processes. */
export function watchdogPids(directory: string): number[] {
  return processesNaming(directory).filter((pid) => commandLine(String(pid)).startsWith('sh\0'));
}

export async function waitUntil(condition: () => boolean | Promise<boolean>, limitMs: number): Promise<void> {
  const deadline = performance.now() + limitMs;
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(`not so after ${limitMs} ms: ${condition.toString()}`);
    await delay(10);
  }
}

/** One statement on a connection of its own. */
export async function query<Row extends pg.QueryResultRow>(
  connection: Connection,
  statement: string,
): Promise<Row[]> {
  const client = new pg.Client(connection);
  client.on('error', () => {});
  await client.connect();
  try {
    return (await client.query<Row>(statement)).rows;
  } finally {
    await client.end();
  }
}

function commandLine(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8');
  } catch {
    return '';
  }
}
