import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import type { SshTarget } from '../transport/ssh-target.ts';
import { eventually } from './eventually.ts';

const SSHD = '/usr/sbin/sshd';

/** Where it is false, suites are skipped; tests/setup and CI see to it that it is true. */
export const hasSshd = existsSync(SSHD);

/** A real sshd on a loopback port of its own, with its own host key and a key of the user who runs the tests. */
export class SshTestServer {
  readonly dir: string;
  readonly user: string = userInfo().username;
  readonly #options: Readonly<Record<string, string>>;
  #process: ChildProcess | undefined;
  #port = 0;

  private constructor(options: Readonly<Record<string, string>>) {
    this.#options = options;
    this.dir = mkdtempSync(join(tmpdir(), 'trainyard-sshd-'));
  }

  /** @param options lines of sshd_config, such as `{ MaxSessions: '3' }` */
  static async start(options: Readonly<Record<string, string>> = {}): Promise<SshTestServer> {
    const server = new SshTestServer(options);
    mkdirSync(server.home);
    server.newHostKey();
    execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', server.identityFile]);
    writeFileSync(join(server.dir, 'authorized_keys'), readFileSync(`${server.identityFile}.pub`));
    await server.listen();
    return server;
  }

  get port(): number {
    return this.#port;
  }

  get identityFile(): string {
    return join(this.dir, 'id');
  }

  /** What `~` means to those who log in: an empty directory. */
  get home(): string {
    return join(this.dir, 'home');
  }

  get configFile(): string {
    return join(this.dir, 'ssh_config');
  }

  /** By the alias "box" of an ssh_config of its own; the key is known there. */
  get target(): SshTarget {
    return { host: 'box', configFile: this.configFile, connectTimeoutMs: 10_000 };
  }

  get fingerprint(): string {
    const line = execFileSync('ssh-keygen', ['-lf', join(this.dir, 'host_key.pub')]).toString();
    return line.split(' ')[1]!;
  }

  /** Another host key from the next `listen` on. */
  newHostKey(): void {
    for (const name of ['host_key', 'host_key.pub']) rmSync(join(this.dir, name), { force: true });
    execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', join(this.dir, 'host_key')]);
  }

  /** Listens, on the port that it had before. */
  async listen(): Promise<void> {
    if (process.getuid?.() === 0) mkdirSync('/run/sshd', { recursive: true, mode: 0o755 });
    const isNew = this.#port === 0;
    if (isNew) this.#port = await freePort();
    this.#writeConfig();
    if (isNew) this.writeClientConfig();
    const child = spawn(SSHD, ['-D', '-e', '-f', join(this.dir, 'sshd_config')], {
      stdio: ['ignore', 'ignore', 'pipe'],
      detached: true,
    });
    let log = '';
    child.stderr?.on('data', (chunk: Buffer) => {
      log += chunk.toString('utf8');
    });
    this.#process = child;
    await eventually('sshd listens', () => {
      if (child.exitCode !== null) throw new Error(`sshd ended: ${log}`);
      return log.includes('Server listening');
    });
  }

  /** Writes an ssh_config with the alias "box", and "inner" that is reached through it. */
  writeClientConfig(): void {
    const key = readFileSync(join(this.dir, 'host_key.pub'), 'utf8').split(' ').slice(0, 2).join(' ');
    writeFileSync(join(this.dir, 'known_hosts'), `box-key ${key}\n`);
    const login = [
      'HostName 127.0.0.1',
      `Port ${this.#port}`,
      `User ${this.user}`,
      `IdentityFile ${this.identityFile}`,
      'IdentitiesOnly yes',
      `UserKnownHostsFile ${join(this.dir, 'known_hosts')}`,
      'GlobalKnownHostsFile none',
      'HostKeyAlias box-key',
    ];
    const lines = (names: string, more: readonly string[]) =>
      [`Host ${names}`, ...[...login, ...more].map((line) => `  ${line}`)].join('\n');
    writeFileSync(
      this.configFile,
      `${lines('inner', ['ProxyJump box'])}\n${lines('box', [])}\n${lines('unpinned', ['UserKnownHostsFile none'])}\n`,
    );
  }

  /** Stops the listener and all its sessions at once, as a host does whose power goes. */
  async stop(): Promise<void> {
    const child = this.#process;
    const sessions = this.sessions();
    this.#process = undefined;
    if (child?.pid === undefined || child.exitCode !== null) return;
    const ended = new Promise((resolve) => child.once('exit', resolve));
    for (const pid of [child.pid, ...sessions]) signal(pid, 'SIGKILL');
    await ended;
  }

  /** Pids of the processes of sessions, without what runs in them. */
  sessions(): number[] {
    const pid = this.#process?.pid;
    if (pid === undefined) return [];
    const rows = execFileSync('ps', ['-eo', 'pid=,ppid=,comm='])
      .toString()
      .split('\n')
      .map((line) => line.trim().split(/\s+/));
    const found: number[] = [];
    const isOurs = new Set([pid]);
    for (let before = -1; before !== found.length; ) {
      before = found.length;
      for (const [child, parent, name] of rows) {
        if (isOurs.has(Number(child)) || !isOurs.has(Number(parent)) || name !== 'sshd') continue;
        isOurs.add(Number(child));
        found.push(Number(child));
      }
    }
    return found;
  }

  /** A server that accepts and sends nothing any more. */
  freeze(): void {
    for (const pid of [this.#process?.pid ?? 0, ...this.sessions()]) signal(pid, 'SIGSTOP');
  }

  thaw(): void {
    for (const pid of [this.#process?.pid ?? 0, ...this.sessions()]) signal(pid, 'SIGCONT');
  }

  /** Ends the connections that exist; new ones are accepted. */
  cut(): void {
    for (const pid of this.sessions()) signal(pid, 'SIGKILL');
  }

  async remove(): Promise<void> {
    await this.stop();
    rmSync(this.dir, { recursive: true, force: true });
  }

  #writeConfig(): void {
    const options: Record<string, string> = {
      ListenAddress: '127.0.0.1',
      Port: String(this.#port),
      HostKey: join(this.dir, 'host_key'),
      PidFile: join(this.dir, 'sshd.pid'),
      AuthorizedKeysFile: join(this.dir, 'authorized_keys'),
      // The directory of the test lies below /tmp, which others may write to.
      StrictModes: 'no',
      UsePAM: 'no',
      PermitRootLogin: 'prohibit-password',
      PasswordAuthentication: 'no',
      KbdInteractiveAuthentication: 'no',
      LogLevel: 'INFO',
      // A login shell reads what its user has set up there, which may take longer than the call itself.
      SetEnv: `HOME=${this.home}`,
      ...this.#options,
    };
    const lines = Object.entries(options).map(([name, value]) => `${name} ${value}\n`);
    writeFileSync(join(this.dir, 'sshd_config'), lines.join(''));
  }
}

function signal(pid: number, name: NodeJS.Signals): void {
  if (pid <= 1) return;
  try {
    process.kill(pid, name);
  } catch {
    // It is gone already.
  }
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}
