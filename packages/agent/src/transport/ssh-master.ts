import { type ChildProcess, spawn } from 'node:child_process';
import { killGroup, runProcess } from './run-process.ts';
import { checkArguments, masterArguments } from './ssh-arguments.ts';
import { sshFault } from './ssh-fault.ts';
import type { SshSocketDir } from './ssh-socket-dir.ts';
import { type ResolvedSshTarget, sshAddress } from './ssh-target.ts';
import { TransportError } from './transport.ts';

/**
 * One connection to a host, which many sessions share. Its own session waits for the end of a pipe that this
 * process holds: when this process dies, however, the connection ends too.
 */
export class SshMaster {
  readonly socket: string;
  readonly #target: ResolvedSshTarget;
  readonly #child: ChildProcess;
  #isAlive = true;

  private constructor(target: ResolvedSshTarget, socket: string, child: ChildProcess) {
    this.#target = target;
    this.socket = socket;
    this.#child = child;
    child.once('exit', () => {
      this.#isAlive = false;
    });
  }

  /** @throws TransportError when the host cannot be reached, shows the wrong key or refuses the login */
  static async open(target: ResolvedSshTarget, files: SshSocketDir, name: string): Promise<SshMaster> {
    const socket = `${files.dir}/${name}`;
    const args = masterArguments(target, { socket, pinScript: files.pinScript }, KEEP_OPEN);
    const child = spawn('ssh', args, {
      env: sshEnvironment(target, files),
      detached: true,
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    const master = new SshMaster(target, socket, child);
    try {
      await master.#untilReady();
      return master;
    } catch (error) {
      master.kill();
      throw error;
    }
  }

  get isAlive(): boolean {
    return this.#isAlive;
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  /** Asks the process of the connection whether it is at work; one that is frozen does not answer. */
  async answers(): Promise<boolean> {
    if (!this.#isAlive) return false;
    const end = await runProcess({
      program: 'ssh',
      args: checkArguments(this.#target, this.socket),
      timeoutMs: CHECK_LIMIT_MS,
      maxOutputBytes: 4096,
    }).catch(() => undefined);
    return end?.exitCode === 0 && end.killed === undefined;
  }

  /** Ends the connection with its sessions, also when its process does not react. */
  kill(): void {
    this.#isAlive = false;
    killGroup(this.#child);
  }

  /** Lets the connection end by itself, by force after a while. */
  async close(): Promise<void> {
    if (!this.#isAlive) return;
    const ended = new Promise((resolve) => this.#child.once('exit', resolve));
    this.#child.stdin?.end();
    const timer = setTimeout(() => this.kill(), CLOSE_LIMIT_MS);
    await ended;
    clearTimeout(timer);
  }

  async #untilReady(): Promise<void> {
    const { connectTimeoutMs } = this.#target;
    const address = sshAddress(this.#target);
    const child = this.#child;
    let stderr = '';
    child.stderr?.on('data', (chunk: Buffer) => {
      stderr = (stderr + chunk.toString('utf8')).slice(-MAX_STDERR);
    });
    child.stdin?.on('error', () => {});
    await new Promise<void>((resolve, reject) => {
      let stdout = '';
      const timer = setTimeout(
        () =>
          reject(
            new TransportError('timed_out', `${address} did not answer within ${connectTimeoutMs / 1000} s`),
          ),
        connectTimeoutMs,
      );
      child.stdout?.on('data', (chunk: Buffer) => {
        stdout = (stdout + chunk.toString('latin1')).slice(-READY.length - 4096);
        if (stdout.includes(READY)) resolve();
      });
      child.once('error', (error) => {
        this.#isAlive = false;
        reject(
          new TransportError('unreachable', `ssh cannot be started: ${error.message}`, { cause: error }),
        );
      });
      // "close" comes after the last words were read.
      child.once('close', () => {
        clearTimeout(timer);
        reject(sshFault(address, stderr));
      });
    });
  }
}

const READY = 'trainyard-ready';
const KEEP_OPEN = `exec sh -c 'echo ${READY};exec cat >/dev/null'`;
const CHECK_LIMIT_MS = 5000;
const CLOSE_LIMIT_MS = 2000;
const MAX_STDERR = 8192;

function sshEnvironment(target: ResolvedSshTarget, files: SshSocketDir): Record<string, string | undefined> {
  const { password, passphrase } = target;
  if (password === undefined && passphrase === undefined) return { ...process.env };
  return {
    ...process.env,
    SSH_ASKPASS: files.askpass,
    SSH_ASKPASS_REQUIRE: 'force',
    ...(password === undefined ? {} : { TRAINYARD_SSH_PASSWORD: password }),
    ...(passphrase === undefined ? {} : { TRAINYARD_SSH_PASSPHRASE: passphrase }),
  };
}
