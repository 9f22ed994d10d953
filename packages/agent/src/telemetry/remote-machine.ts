import { type CallResult, type Transport, TransportError } from '../transport/transport.ts';
import { CircuitBreaker } from './circuit-breaker.ts';
import { FEW_FIELDS } from './gpu-reader.ts';
import { GPU_FIELDS } from './gpu-rows.ts';
import { type MachineCounters, machineRates } from './machine-reader.ts';
import type { MachineLook, MachineSource } from './machine-source.ts';
import type { FollowedProgram } from './process-usage.ts';
import { parseRemoteLook, REMOTE_LOOK_SCRIPT, type RemoteLook } from './remote-look.ts';

export interface RemoteMachineOptions {
  readonly transport: Transport;
  /** A directory over there on the file system that is of interest, perhaps with "~". */
  readonly dir: string;
  /** Longest time of a look. */
  readonly timeoutMs?: number | undefined;
  readonly now?: () => number;
}

/**
 * Looks at another machine by one call per look over the connection that is there anyhow. Never throws: a host that
 * is away, or whose driver hangs, tells nothing, and is left alone for a while when it keeps doing so.
 */
export class RemoteMachine implements MachineSource {
  readonly address: string;
  readonly #options: RemoteMachineOptions;
  readonly #calls: CircuitBreaker;
  readonly #gpus: CircuitBreaker;
  #before: MachineCounters | undefined;

  constructor(options: RemoteMachineOptions) {
    const { now = () => performance.now() } = options;
    this.address = options.transport.name;
    this.#options = options;
    this.#calls = new CircuitBreaker(now);
    this.#gpus = new CircuitBreaker(now);
  }

  async look(programs: readonly FollowedProgram[]): Promise<MachineLook | undefined> {
    if (this.#calls.isOpen) return undefined;
    const asksGpus = !this.#gpus.isOpen;
    const result = await this.#call(programs, asksGpus).catch((error: unknown) => error);
    const found = isAnswer(result) ? parseRemoteLook(result.stdout.toString('latin1'), programs) : undefined;
    if (found === undefined) {
      // It may be the driver that does not answer: the next look does without, whatever it was.
      const isLate = result instanceof TransportError && result.fault === 'timed_out';
      if (isLate && asksGpus) this.#gpus.noteFailure(true);
      else this.#calls.noteFailure(false);
      return undefined;
    }
    this.#calls.noteSuccess();
    if (asksGpus) this.#noteGpus(found.gpuAnswer);
    const before = this.#before;
    this.#before = found.counters;
    return {
      machine: { ...machineRates(found.counters, before), ...found.memory, ...found.disk },
      gpus: found.gpus,
      usage: found.usage,
    };
  }

  #noteGpus(answer: RemoteLook['gpuAnswer']): void {
    if (answer === 'rows') this.#gpus.noteSuccess();
    else this.#gpus.noteFailure(answer === 'missing');
  }

  #call(programs: readonly FollowedProgram[], asksGpus: boolean): Promise<CallResult> {
    const { transport, dir, timeoutMs = TIMEOUT_MS } = this.#options;
    const sessions = programs.flatMap(({ pid }) => (pid === undefined ? [] : [String(pid)]));
    const fields = asksGpus ? [GPU_FIELDS.join(','), FEW_FIELDS.join(',')] : ['', ''];
    return transport.run({
      script: REMOTE_LOOK_SCRIPT,
      args: [dir, ...fields, sessions.join(' '), programs.map(({ attemptId }) => attemptId).join('|')],
      timeoutMs,
      maxOutputBytes: MAX_OUTPUT_BYTES,
    });
  }
}

const TIMEOUT_MS = 15_000;
const MAX_OUTPUT_BYTES = 1024 * 1024;

function isAnswer(result: unknown): result is CallResult {
  return typeof result === 'object' && result !== null && 'exitCode' in result && result.exitCode === 0;
}
