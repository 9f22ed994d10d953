import type { AttemptFiles, AttemptSpec } from '@trainyard/protocol';
import type { AgentLog } from '../agent-log.ts';
import { jobEnvironment } from '../attempt/payload-environment.ts';
import { type Executor, type RunningAttempt, type StartContext, StartError } from '../executor.ts';
import { Backoff } from '../link/backoff.ts';
import { shellQuote } from '../transport/shell-quote.ts';
import { type CallResult, type Transport, TransportError } from '../transport/transport.ts';
import type { BatchSystem } from './attempt-control.ts';
import { uploadCode } from './code-upload.ts';
import { fenceCall } from './fence-script.ts';
import { HostLink } from './host-link.ts';
import { FENCE_FAULTS, LAUNCH_FAULTS, refusedStart } from './refused-start.ts';
import { RemoteAttempt } from './remote-attempt.ts';
import {
  type RemoteAttemptFiles,
  type RemoteLayout,
  remoteAttemptFiles,
  remoteLayout,
} from './remote-layout.ts';
import { readRemotePlace, writeRemotePlace } from './remote-place.ts';
import { RemoteProcesses } from './remote-processes.ts';
import { LAUNCH_SCRIPT, PROBE_SCRIPT, RESOLVE_SCRIPT } from './remote-scripts.ts';
import { removeRemoteFiles } from './remove-remote-files.ts';
import { COMPLETE_LINE, fileLines, type LaunchPayload, launchPayload } from './start-payload.ts';
import { UNWATCHED_GUARD_SCRIPT } from './unwatched-guard.ts';
import { wholeSeconds } from './whole-seconds.ts';

export interface RemoteExecutorOptions {
  /** As jobs name it, such as `ssh:gpu1`. */
  readonly name: string;
  readonly transport: Transport;
  /** Where everything of ours is on the host. */
  readonly workingDir?: string | undefined;
  /** For jobs that name none. */
  readonly condaEnv?: string | undefined;
  /** How long programs may go on over there when no agent looks at them any more; left out: for ever. */
  readonly unwatchedForMs?: number | undefined;
  /** Left out: the host's shell starts programs, on the host itself. */
  readonly batch?: BatchSystem | undefined;
  readonly log: AgentLog;
  readonly pollMs?: number | undefined;
  /** How long a start waits for a host that cannot be reached. */
  readonly startLimitMs?: number | undefined;
}

const DEFAULT_WORKING_DIR = '~/verl_jobs';

/** Runs attempts on another machine that has a shell, each under the same supervisor as local ones. */
export class RemoteExecutor implements Executor {
  readonly name: string;
  readonly usesAttemptDir = true;
  readonly #options: RemoteExecutorOptions;
  readonly #closed = new AbortController();
  #layout: RemoteLayout | undefined;

  constructor(options: RemoteExecutorOptions) {
    this.name = options.name;
    this.#options = options;
  }

  async start(context: StartContext): Promise<RunningAttempt> {
    const { files, spec, group, signal } = context;
    if (spec.builtin !== undefined) {
      const message = `a stage of kind "${spec.builtin.program}" runs on the agent's machine only`;
      throw new StartError('unknown_executor', message);
    }
    // Before anything is done: what cannot be handed over is refused.
    launchPayload(context, context.jobEnv);
    const link = this.#link();
    const begun = performance.now();
    const reached = <T>(work: () => Promise<T>) => this.#untilReached(work, begun, signal);
    const layout = await reached(() => this.#probe(link, signal));
    const remote = remoteAttemptFiles(layout, { attemptId: spec.attemptId, jobIds: jobIds(spec) });
    const workingDir = await reached(() => this.#workingDir(context, link, layout, remote));
    // From here on a later agent looks over there.
    await writeRemotePlace(files, { base: layout.base, workingDir });
    const attempt = this.#attempt(link, files, spec, remote, workingDir);
    const payload = launchPayload(context, this.#remoteEnv(context, remote, layout));
    if (spec.number > 1) await reached(() => this.#fence(link, spec, remote.dir, signal));
    await this.#launch(attempt, link, { remote, layout, workingDir, payload, spec, group, signal });
    return attempt;
  }

  async adopt(files: AttemptFiles, spec: AttemptSpec): Promise<RunningAttempt | undefined> {
    const known = await readRemotePlace(files);
    if (known === undefined) return undefined;
    const link = this.#link();
    const layout = remoteLayout(known.base);
    const remote = remoteAttemptFiles(layout, { attemptId: spec.attemptId, jobIds: jobIds(spec) });
    const attempt = this.#attempt(link, files, spec, remote, known.workingDir);
    // A start that did not get there may be made again. When the host is away, the attempt waits for it.
    const state = await attempt.look().catch(() => undefined);
    if (state?.lock !== 'no') return attempt;
    const { batch } = this.#options;
    const isKnown = await batch?.knows(link, { dir: remote.dir, attemptId: spec.attemptId });
    return isKnown === true ? attempt : undefined;
  }

  async removeFiles(files: AttemptFiles, spec: AttemptSpec): Promise<void> {
    const known = await readRemotePlace(files);
    if (known !== undefined) await removeRemoteFiles(this.#link(), known.base, spec);
  }

  async close(): Promise<void> {
    this.#closed.abort(new Error('the agent stops'));
    this.#options.batch?.close();
    await this.#options.transport.close();
  }

  #link(): HostLink {
    return new HostLink(this.#options.transport, this.#closed.signal);
  }

  #attempt(
    link: HostLink,
    files: AttemptFiles,
    spec: AttemptSpec,
    remote: RemoteAttemptFiles,
    workingDir: string,
  ): RemoteAttempt {
    const { log, pollMs = POLL_MS, unwatchedForMs = 0, batch } = this.#options;
    const { dir } = remote;
    const control =
      batch?.control(link, spec, dir) ?? new RemoteProcesses(link, { dir, attemptId: spec.attemptId });
    return new RemoteAttempt({ link, spec, files, remote, workingDir, control, unwatchedForMs, log, pollMs });
  }

  /** Environment beside that of the host's login. The mark of the attempt is set by the supervisor. */
  #remoteEnv(
    context: StartContext,
    remote: RemoteAttemptFiles,
    { metricsDir }: RemoteLayout,
  ): Record<string, string> {
    const spec = { ...context.spec, env: { ...context.jobEnv } };
    // A batch system gives GPUs itself.
    const gpuIds = this.#options.batch === undefined ? context.gpuIds : undefined;
    const { TRAINYARD_ATTEMPT_ID: _marker, ...env } = jobEnvironment({
      spec,
      files: { ...remote, metricsDir },
      gpuIds,
    });
    return env;
  }

  /** The host's directory, made on first use. @throws StartError when the host cannot be used */
  async #probe(link: HostLink, signal: AbortSignal): Promise<RemoteLayout> {
    if (this.#layout !== undefined) return this.#layout;
    const { workingDir = DEFAULT_WORKING_DIR } = this.#options;
    const result = await link.once({ script: PROBE_SCRIPT, args: [workingDir] }, signal);
    if (result.exitCode !== 0) throw this.#refused('host_unusable', result);
    this.#layout = remoteLayout(result.stdout.toString('utf8').trim());
    return this.#layout;
  }

  /** Where the program runs: a copy of the code folder that is sent, or a directory of the host. */
  async #workingDir(
    { spec, workingDir, signal }: StartContext,
    link: HostLink,
    layout: RemoteLayout,
    remote: RemoteAttemptFiles,
  ): Promise<string> {
    const dir = spec.remote?.dir;
    if (dir === undefined) {
      await uploadCode({ source: workingDir, layout, work: remote.work, link, signal });
      return remote.work;
    }
    const result = await link.once({ script: RESOLVE_SCRIPT, args: [dir] }, signal);
    if (result.exitCode !== 0) throw this.#refused('working_dir_missing', result);
    return result.stdout.toString('utf8').trimEnd();
  }

  /** Tries again while the host is away, up to the limit. @throws StartError afterwards */
  async #untilReached<T>(work: () => Promise<T>, begunMs: number, signal: AbortSignal): Promise<T> {
    const { startLimitMs = START_LIMIT_MS, transport } = this.#options;
    const backoff = new Backoff({ firstMs: 300, maxMs: 5000 });
    for (;;) {
      try {
        return await work();
      } catch (error) {
        if (!(error instanceof TransportError)) throw error;
        if (error.fault === 'auth' || error.fault === 'host_key') {
          throw new StartError('host_refused', error.message, { cause: error });
        }
        if (performance.now() - begunMs > startLimitMs) {
          const message = `${transport.name} could not be reached for ${Math.round(startLimitMs / 1000)} s: ${error.message}`;
          throw new StartError('host_unreachable', message, { cause: error });
        }
        await backoff.wait(AbortSignal.any([signal, this.#closed.signal]));
      }
    }
  }

  /** Before one starts, nothing of an earlier attempt of its run lives there, whoever started that. */
  async #fence(link: HostLink, spec: AttemptSpec, dir: string, signal: AbortSignal): Promise<void> {
    const { batch, log, transport } = this.#options;
    const result =
      batch === undefined
        ? await link.once(fenceCall(spec, dir), signal)
        : await batch.fence(link, { spec, dir });
    if (result.exitCode !== 0) throw this.#refused(FENCE_FAULTS[result.exitCode] ?? 'start_failed', result);
    const ended = result.stdout.toString('utf8').trim();
    if (ended === '') return;
    log.warn({ runId: spec.runId, host: transport.name, ended }, 'ended earlier attempts of a run');
  }

  /**
   * Launches until it is known what became of it. Once a launch was tried the attempt counts as started, also when
   * it is not wanted any more: only on the host can it be prevented.
   */
  async #launch(attempt: RemoteAttempt, link: HostLink, launch: Launch): Promise<void> {
    const { signal } = launch;
    const backoff = new Backoff({ firstMs: 300, maxMs: 5000 });
    signal.throwIfAborted();
    for (;;) {
      try {
        const result = await this.#handOver(link, launch);
        if (result.exitCode !== 0)
          throw this.#refused(LAUNCH_FAULTS[result.exitCode] ?? 'start_failed', result);
        attempt.noteStart(Number(result.stdout.toString('utf8')) || undefined);
        return;
      } catch (error) {
        if (!(error instanceof TransportError)) throw error;
        if (signal.aborted) return;
        await backoff.wait(AbortSignal.any([signal, this.#closed.signal])).catch(() => undefined);
        if (signal.aborted) return;
      }
    }
  }

  #refused(code: string, result: CallResult): StartError {
    return refusedStart(code, result, this.#options.transport.name);
  }

  #handOver(
    link: HostLink,
    { remote, layout, workingDir, payload, spec, group }: Launch,
  ): Promise<CallResult> {
    const names = remote.shared.flatMap(({ metrics, status }) => [baseName(metrics), baseName(status)]);
    const condaEnv = spec.remote?.condaEnv ?? this.#options.condaEnv ?? '';
    const { batch } = this.#options;
    if (batch !== undefined) {
      const launch = { link, spec, remote, layout, workingDir, condaEnv, payload, group };
      return batch.launch({ ...launch, sharedNames: names });
    }
    return link.once({
      script: LAUNCH_SCRIPT,
      args: [
        ...[
          remote.dir,
          layout.metricsDir,
          workingDir,
          condaEnv,
          spec.attemptId,
          spec.runId,
          String(spec.number),
        ],
        ...[wholeSeconds(this.#options.unwatchedForMs ?? 0), wholeSeconds(spec.graceMs), ...names],
      ],
      stdin: Buffer.from(`${fileLines(payload)}${GUARD_LINE}${payload.program}${COMPLETE_LINE}`),
    });
  }
}

interface Launch extends Pick<StartContext, 'spec' | 'group' | 'signal'> {
  readonly remote: RemoteAttemptFiles;
  readonly layout: RemoteLayout;
  readonly workingDir: string;
  readonly payload: LaunchPayload;
}

const POLL_MS = 2000;
const START_LIMIT_MS = 120_000;
const GUARD_LINE = `trainyard_guard=${shellQuote(UNWATCHED_GUARD_SCRIPT)}\n`;

/** By which a program may name its metrics: its run, its training job. */
function jobIds({ runId, training }: AttemptSpec): [string, ...string[]] {
  return training === undefined ? [runId] : [runId, training.jobId];
}

function baseName(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}
