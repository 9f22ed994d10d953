import { randomBytes } from 'node:crypto';
import { FRAME_BYTES, framedCommand, unframe } from './call-frame.ts';
import { type ProcessEnd, runProcess } from './run-process.ts';
import { Semaphore } from './semaphore.ts';
import { sessionArguments } from './ssh-arguments.ts';
import { isSessionRefused, sshFault } from './ssh-fault.ts';
import { SshMaster } from './ssh-master.ts';
import { openSocketDir, type SshSocketDir } from './ssh-socket-dir.ts';
import { type ResolvedSshTarget, resolveSshTarget, type SshTarget, sshAddress } from './ssh-target.ts';
import {
  type CallResult,
  type RemoteCall,
  TRANSPORT_LIMITS,
  type Transport,
  TransportError,
} from './transport.ts';

/**
 * Another machine by the system's OpenSSH client: one connection, over which every call is a session. Every call
 * has an outer timer, since a client hangs when the process of its connection is frozen, whatever its own time
 * limits are. After a call that took too long the connection is probed and replaced if it does not answer.
 */
export class SshTransport implements Transport {
  readonly name: string;
  readonly #target: ResolvedSshTarget;
  readonly #key: string;
  readonly #sessions: Semaphore;
  readonly #closed = new AbortController();
  #files: Promise<SshSocketDir> | undefined;
  #master: SshMaster | undefined;
  #opening: Promise<SshMaster> | undefined;
  /** Calls in a row that took too long although the connection answered. */
  #timeouts = 0;
  #failures = 0;
  #notBeforeMs = 0;
  #lastFailure: TransportError | undefined;

  /** @param key tells the socket directories of two transports apart; @throws RangeError for a bad target */
  constructor(target: SshTarget, options: { readonly key: string }) {
    this.#target = resolveSshTarget(target);
    this.#sessions = new Semaphore(this.#target.maxSessions);
    this.name = sshAddress(target);
    this.#key = `${options.key} ${this.name}`;
  }

  /** Process of the connection; `undefined` while there is none. */
  get masterPid(): number | undefined {
    return this.#master?.isAlive === true ? this.#master.pid : undefined;
  }

  async run(call: RemoteCall): Promise<CallResult> {
    const timeoutMs = call.timeoutMs ?? this.#target.commandTimeoutMs;
    const deadlineMs = performance.now() + timeoutMs;
    const timeout = AbortSignal.timeout(timeoutMs);
    const signals = [timeout, this.#closed.signal, ...(call.signal === undefined ? [] : [call.signal])];
    const signal = AbortSignal.any(signals);
    for (;;) {
      try {
        await this.#sessions.acquire(signal);
      } catch (error) {
        if (timeout.aborted) throw this.#tookTooLong(timeoutMs);
        throw error;
      }
      try {
        const result = await this.#attempt(call, deadlineMs, signals.slice(1));
        if (result !== undefined) return result;
      } finally {
        this.#sessions.release();
      }
    }
  }

  async close(): Promise<void> {
    this.#closed.abort(new TransportError('unreachable', `the connection to ${this.name} was closed`));
    await (this.#master ?? (await this.#opening?.catch(() => undefined)))?.close();
  }

  /** @returns `undefined` when the server had no room for a session, and it is to be tried again with fewer */
  async #attempt(
    call: RemoteCall,
    deadlineMs: number,
    signals: readonly AbortSignal[],
  ): Promise<CallResult | undefined> {
    const master = await this.#connected();
    const end = await runProcess({
      program: 'ssh',
      args: sessionArguments(this.#target, master.socket, framedCommand(call)),
      stdin: call.stdin,
      timeoutMs: Math.max(1, deadlineMs - performance.now()),
      maxOutputBytes: (call.maxOutputBytes ?? TRANSPORT_LIMITS.maxOutputBytes) + FRAME_BYTES,
      signal: AbortSignal.any([...signals]),
    });
    const result = end.killed === undefined ? unframe(end.stdout) : undefined;
    if (result !== undefined) {
      this.#timeouts = 0;
      return { ...result, stderr: end.stderr };
    }
    if (end.killed === undefined && master.isAlive && isSessionRefused(end.stderr)) {
      // A stream that was begun cannot be sent again; bytes can.
      if (call.stdin === undefined || call.stdin instanceof Uint8Array) {
        if (this.#sessions.limit > 1) {
          this.#sessions.lowerLimit(this.#sessions.limit - 1);
          return undefined;
        }
      }
    }
    throw await this.#judge(end, master, call);
  }

  /** What a call without a result means, and whether the connection can be kept. */
  async #judge(end: ProcessEnd, master: SshMaster, call: RemoteCall): Promise<TransportError> {
    if (end.killed === 'too_large') {
      return new TransportError('too_large', `a call to ${this.name} printed more than it may`);
    }
    if (end.killed === 'timed_out') {
      this.#timeouts += 1;
      if (this.#timeouts >= MAX_TIMEOUTS || !(await master.answers())) this.#drop(master);
      return this.#tookTooLong(call.timeoutMs ?? this.#target.commandTimeoutMs);
    }
    if (!(await master.answers())) this.#drop(master);
    return sshFault(this.name, end.stderr);
  }

  #tookTooLong(timeoutMs: number): TransportError {
    return new TransportError('timed_out', `a call to ${this.name} took longer than ${timeoutMs / 1000} s`);
  }

  #drop(master: SshMaster): void {
    master.kill();
    if (this.#master === master) this.#master = undefined;
    this.#timeouts = 0;
  }

  async #connected(): Promise<SshMaster> {
    if (this.#master?.isAlive === true) return this.#master;
    this.#opening ??= this.#open().finally(() => {
      this.#opening = undefined;
    });
    return this.#opening;
  }

  /** Waits longer after each failure: hosts lock out who knocks too often. */
  async #open(): Promise<SshMaster> {
    if (performance.now() < this.#notBeforeMs && this.#lastFailure !== undefined) throw this.#lastFailure;
    this.#files ??= openSocketDir(this.#key);
    const files = await this.#files;
    try {
      const master = await SshMaster.open(this.#target, files, randomBytes(4).toString('hex'));
      this.#master = master;
      this.#failures = 0;
      if (this.#closed.signal.aborted) await master.close();
      return master;
    } catch (error) {
      const waitMs = Math.min(FIRST_WAIT_MS * 2 ** this.#failures, LAST_WAIT_MS);
      this.#failures += 1;
      this.#notBeforeMs = performance.now() + waitMs;
      if (error instanceof TransportError) this.#lastFailure = error;
      throw error;
    }
  }
}

/** So many calls in a row that take too long end a connection that says it is well. */
const MAX_TIMEOUTS = 2;
const FIRST_WAIT_MS = 500;
const LAST_WAIT_MS = 60_000;
