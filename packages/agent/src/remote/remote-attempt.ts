import { mkdir, readFile } from 'node:fs/promises';
import type { AttemptFiles, AttemptSpec, AttemptTarget } from '@trainyard/protocol';
import type { AgentLog } from '../agent-log.ts';
import { PRODUCT_LIMITS } from '../attempt/product-limits.ts';
import type { ControlFiles } from '../control-files.ts';
import type { ExitResult, ProgramFiles, RunningAttempt } from '../executor.ts';
import { Backoff } from '../link/backoff.ts';
import { writeAtomically } from '../local/write-atomically.ts';
import { TransportError } from '../transport/transport.ts';
import { WakeableWait } from '../wakeable-wait.ts';
import type { AttemptControl } from './attempt-control.ts';
import type { HostLink } from './host-link.ts';
import { type PollAnswer, parsePollAnswer, type RemoteState } from './poll-answer.ts';
import { remoteControlFiles } from './remote-control-files.ts';
import type { RemoteAttemptFiles } from './remote-layout.ts';
import { RemoteProgramFiles } from './remote-program-files.ts';
import { POLL_SCRIPT } from './remote-scripts.ts';
import { StreamMirror } from './stream-mirror.ts';
import { wholeSeconds } from './whole-seconds.ts';

export interface RemoteAttemptOptions {
  readonly link: HostLink;
  readonly spec: AttemptSpec;
  /** On this machine: copies of what the program writes, from where they are reported like local ones. */
  readonly files: AttemptFiles;
  readonly remote: RemoteAttemptFiles;
  /** Directory of the program on the host. */
  readonly workingDir: string;
  readonly control: AttemptControl;
  readonly log: AgentLog;
  /** How long it may go on over there when nobody looks at it any more; 0: for ever. */
  readonly unwatchedForMs: number;
  /** Longest pause between two looks. */
  readonly pollMs: number;
}

/** An attempt on another machine, followed by looking at its files and processes over there. */
export class RemoteAttempt implements RunningAttempt {
  readonly programFiles: ProgramFiles;
  readonly control: ControlFiles;
  readonly target: AttemptTarget;
  readonly #options: RemoteAttemptOptions;
  readonly #control: AttemptControl;
  /** From one look to the next. */
  readonly #pauses = new WakeableWait();
  #mirrors: Promise<{ readonly log: StreamMirror; readonly metrics: StreamMirror }> | undefined;
  /** One poll at a time: each goes on from what the one before brought. */
  #polling: Promise<unknown> = Promise.resolve();
  #state: RemoteState | undefined;
  #startedPid: number | undefined;
  #lastStatus: string | undefined;
  /** Kept: the cgroup that counts goes with what is left of the attempt. */
  #oomKills: number | undefined;
  #cancelledAtMs: number | undefined;

  constructor(options: RemoteAttemptOptions) {
    this.#options = options;
    const { dir } = options.remote;
    const { control } = options;
    this.#control = control;
    this.target = { address: options.link.transport.name, dir };
    const attemptsDir = dir.slice(0, dir.lastIndexOf('/'));
    this.programFiles = new RemoteProgramFiles(options.link, options.workingDir, attemptsDir);
    this.control = remoteControlFiles(options.link, options.remote);
  }

  get pid(): number | undefined {
    return this.#state?.pid ?? this.#startedPid;
  }

  get unreachableSinceMs(): number | undefined {
    return this.#options.link.unreachableSinceMs;
  }

  alive(): boolean {
    return this.#state === undefined ? this.#startedPid !== undefined : this.#control.isAlive(this.#state);
  }

  ranOutOfMemory(): boolean | undefined {
    return this.#oomKills === undefined ? undefined : this.#oomKills > 0;
  }

  /** What the launch has told. */
  noteStart(pid: number | undefined): void {
    this.#startedPid = pid;
  }

  /** Looks once. @throws TransportError when the host cannot be reached */
  async look(): Promise<RemoteState> {
    return (await this.#poll()).state;
  }

  async waitForExit(signal: AbortSignal): Promise<ExitResult> {
    const known = await readLocalExit(this.#options.files);
    if (known !== undefined) return known;
    const faults = new Backoff({ firstMs: 300, maxMs: 10_000 });
    for (let pauseMs = FIRST_POLL_MS; ; ) {
      let more = false;
      try {
        const answer = await this.#poll(signal);
        faults.reset();
        more = hasMore(answer);
        const result = more ? undefined : await this.#control.judge(answer.state);
        if (result !== undefined) {
          // Also of a program that left no exit code: another attempt may go on from what it saved.
          await this.#bringProducts();
          if (result.kind === 'exited') await this.#keepEnd(result);
          return result;
        }
        pauseMs = answer.pieces.some(({ bytes }) => bytes.length > 0) ? FIRST_POLL_MS : pauseMs * 1.5;
      } catch (error) {
        signal.throwIfAborted();
        this.#options.link.closed.throwIfAborted();
        this.#options.log.debug(
          { attemptId: this.#options.spec.attemptId, error: String(error) },
          'a look failed',
        );
        if (this.#isGivenUp()) return givenUp(this.#options.link);
        await faults.wait(AbortSignal.any([signal, this.#options.link.closed]));
        continue;
      }
      pauseMs = Math.min(pauseMs, this.#options.pollMs);
      if (more) continue;
      await this.#pauses.wait(pauseMs, AbortSignal.any([signal, this.#options.link.closed]));
      signal.throwIfAborted();
      this.#options.link.closed.throwIfAborted();
    }
  }

  async cancel({ graceMs }: { readonly graceMs: number }): Promise<boolean> {
    this.#cancelledAtMs ??= performance.now();
    const untilMs = performance.now() + graceMs + GIVE_UP_MS;
    const said = await this.#control.signalOnceStarted(graceMs > 0 ? 'TERM' : 'KILL', untilMs);
    this.#pauses.wake();
    if (said === 'ended') return false;
    if (said !== 'sent' || graceMs === 0) return true;
    await this.#control.untilEmpty(performance.now() + graceMs);
    await this.#control.signal('KILL', untilMs);
    this.#pauses.wake();
    return true;
  }

  async cleanUp(): Promise<string | undefined> {
    const { link } = this.#options;
    try {
      const left = await this.#control.sweep(performance.now() + GIVE_UP_MS);
      // What children wrote after the end of the program.
      for (let tries = 0; tries < MAX_LAST_LOOKS && hasMore(await this.#poll()); tries += 1);
      return left;
    } catch (error) {
      link.closed.throwIfAborted();
      return `processes may be left on ${link.transport.name}: ${error instanceof Error ? error.message : error}`;
    }
  }

  /** All processes of the program. False when it does not run. */
  async freeze(isFrozen: boolean): Promise<boolean> {
    return (await this.#control.signal(isFrozen ? 'STOP' : 'CONT', Number.POSITIVE_INFINITY)) === 'sent';
  }

  #isGivenUp(): boolean {
    return this.#cancelledAtMs !== undefined && performance.now() - this.#cancelledAtMs > GIVE_UP_MS;
  }

  #poll(signal?: AbortSignal): Promise<PollAnswer> {
    const next = this.#polling.catch(() => undefined).then(() => this.#pollNow(signal));
    this.#polling = next;
    return next;
  }

  async #pollNow(signal?: AbortSignal): Promise<PollAnswer> {
    const { files, remote } = this.#options;
    this.#mirrors ??= openMirrors(files);
    const { log, metrics } = await this.#mirrors;
    const { shared } = remote;
    const answer = await this.#look(
      [
        { name: 'log', known: log.wanted, most: MAX_LOG_BYTES, paths: [remote.output, remote.output] },
        ...shared.slice(0, 1).map((first) => ({
          name: 'metrics',
          known: metrics.wanted,
          most: MAX_METRICS_BYTES,
          paths: [first.metrics, remote.metrics] as const,
        })),
        ...shared.map(({ status }, index) => ({
          name: `status${index}`,
          most: MAX_STATUS,
          paths: [status, remote.status] as const,
        })),
      ],
      signal,
    );
    this.#state = answer.state;
    this.#oomKills = answer.state.oomKills ?? this.#oomKills;
    for (const piece of answer.pieces) {
      if (piece.name === 'log') await log.take(piece);
      else if (piece.name === 'metrics') await metrics.take(piece);
      else await this.#takeStatus(piece.bytes.toString('utf8'));
    }
    return answer;
  }

  async #takeStatus(text: string): Promise<void> {
    if (text === '' || text === this.#lastStatus) return;
    await writeAtomically(this.#options.files.status, text);
    this.#lastStatus = text;
  }

  /** One call, whatever the number of files. */
  async #look(files: readonly WantedFile[], signal?: AbortSignal): Promise<PollAnswer> {
    const { link, remote, spec, unwatchedForMs } = this.#options;
    const pieces = files.flatMap(({ name, known = FROM_THE_START, most, paths }) => [
      ...[name, known.identity, String(known.offset), String(most), ...paths],
    ]);
    const most = files.reduce((sum, file) => sum + file.most, MAX_STATE_BYTES);
    const args = [remote.dir, spec.attemptId, wholeSeconds(unwatchedForMs), wholeSeconds(spec.graceMs)];
    const call = { script: POLL_SCRIPT, args: [...args, ...pieces], maxOutputBytes: most };
    const result = await link.once(call, signal);
    if (result.exitCode !== 0)
      throw new TransportError('unreachable', `a look at the host failed: ${result.stderr.trim()}`);
    return parsePollAnswer(result.stdout);
  }

  /** What the program left besides its streams. */
  async #bringProducts(): Promise<void> {
    const { files, remote } = this.#options;
    const wanted = PRODUCTS.map(([name, limit]) => ({
      ...{ name, most: limit + 1 },
      paths: [remote[name], remote[name]] as const,
    }));
    for (const { name, bytes } of (await this.#look(wanted)).pieces) {
      await writeAtomically(files[name as (typeof PRODUCTS)[number][0]], bytes.toString('utf8'));
    }
  }

  /** Notes its end on this machine; to be called when everything of it is here. */
  async #keepEnd({ exitCode, endedAtMs }: Extract<ExitResult, { kind: 'exited' }>): Promise<void> {
    await writeAtomically(this.#options.files.exit, `${JSON.stringify({ exitCode, endedAtMs })}\n`);
  }
}

/** A file of the host of which more is wanted than is known. */
interface WantedFile {
  readonly name: string;
  readonly known?: { readonly identity: string; readonly offset: number };
  /** In bytes. */
  readonly most: number;
  /** The first counts unless it is missing or a link. */
  readonly paths: readonly [string, string];
}

const FIRST_POLL_MS = 200;
/** How long after a cancel a host is waited for that cannot be reached. */
const GIVE_UP_MS = 10 * 60_000;
/** Looks after the end, for what is left to be read. */
const MAX_LAST_LOOKS = 1000;
const MAX_LOG_BYTES = 4 * 1024 * 1024;
const MAX_METRICS_BYTES = 2 * 1024 * 1024;
const MAX_STATUS = 64 * 1024;
const MAX_STATE_BYTES = 64 * 1024;
const FROM_THE_START = { identity: 'none', offset: 0 };
const PRODUCTS = [
  ['outputs', PRODUCT_LIMITS.outputsBytes],
  ['datasets', PRODUCT_LIMITS.datasetsBytes],
  ['checkpoints', 16 * 1024 * 1024],
  ['failure', 64 * 1024],
  ['controlAnswer', 16 * 1024],
] as const satisfies readonly (readonly [keyof AttemptFiles, number])[];

async function openMirrors(files: AttemptFiles) {
  await mkdir(files.metricsDir, { recursive: true });
  return { log: await StreamMirror.open(files.output), metrics: await StreamMirror.open(files.metrics) };
}

/** True while a stream has bytes that were not sent yet. */
function hasMore({ pieces }: PollAnswer): boolean {
  return pieces.some(
    ({ name, size, offset, bytes }) =>
      (name === 'log' || name === 'metrics') && bytes.length > 0 && offset + bytes.length < size,
  );
}

function givenUp(link: HostLink): ExitResult {
  const message = `${link.transport.name} could not be reached for ${GIVE_UP_MS / 60_000} minutes after the cancel: ${link.lastFault}`;
  return { kind: 'vanished', error: { code: 'host_unreachable', message } };
}

async function readLocalExit(files: AttemptFiles): Promise<ExitResult | undefined> {
  try {
    const parsed = JSON.parse(await readFile(files.exit, 'utf8')) as { exitCode: number; endedAtMs: number };
    return { kind: 'exited', exitCode: parsed.exitCode, endedAtMs: parsed.endedAtMs };
  } catch {
    return undefined;
  }
}
