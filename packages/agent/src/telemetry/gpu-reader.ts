import { execFile } from 'node:child_process';
import { CircuitBreaker } from './circuit-breaker.ts';
import { GPU_FIELDS, type GpuSample, parseGpuRows } from './gpu-rows.ts';

export interface GpuReaderOptions {
  /** Its PATH has `nvidia-smi`. */
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly now?: () => number;
  /** A call that takes longer is given up. */
  readonly timeoutMs?: number;
}

const TIMEOUT_MS = 5000;
/** At the start somebody waits for it. */
const DETECT_MS = 3000;
const MAX_OUTPUT_BYTES = 1024 * 1024;
/** What every driver knows, for one that refuses the rest. */
export const FEW_FIELDS = ['index', 'uuid', 'name'] as const;

/**
 * Asks `nvidia-smi` for the GPUs of this machine. Never throws and never waits longer than its limit: a
 * driver that hangs must hold up neither the agent nor a job.
 */
export class GpuReader {
  readonly #env: GpuReaderOptions['env'];
  readonly #breaker: CircuitBreaker;
  readonly #timeoutMs: number;
  #fields: readonly string[] = GPU_FIELDS;
  #running: Promise<readonly GpuSample[] | undefined> | undefined;

  constructor({ env, now = Date.now, timeoutMs = TIMEOUT_MS }: GpuReaderOptions) {
    this.#env = env;
    this.#breaker = new CircuitBreaker(now);
    this.#timeoutMs = timeoutMs;
  }

  /** The GPUs; undefined when the driver is not there or does not answer. Calls at the same time share one. */
  read(): Promise<readonly GpuSample[] | undefined> {
    if (this.#breaker.isOpen) return Promise.resolve(undefined);
    this.#running ??= this.#read().finally(() => {
      this.#running = undefined;
    });
    return this.#running;
  }

  async #read(): Promise<readonly GpuSample[] | undefined> {
    let answer = await this.#ask(this.#fields);
    if (answer.kind === 'refused' && this.#fields !== FEW_FIELDS) {
      // One field that a driver does not know fails the whole call.
      const fewer = await this.#ask(FEW_FIELDS);
      if (fewer.kind === 'rows') this.#fields = FEW_FIELDS;
      answer = fewer;
    }
    if (answer.kind === 'rows') {
      this.#breaker.noteSuccess();
      return answer.rows;
    }
    this.#breaker.noteFailure(answer.kind === 'missing');
    return undefined;
  }

  #ask(
    fields: readonly string[],
  ): Promise<{ kind: 'rows'; rows: readonly GpuSample[] } | { kind: 'refused' | 'missing' }> {
    return new Promise((resolve) => {
      execFile(
        'nvidia-smi',
        [`--query-gpu=${fields.join(',')}`, '--format=csv,noheader,nounits'],
        {
          env: { ...this.#env },
          timeout: this.#timeoutMs,
          killSignal: 'SIGKILL',
          maxBuffer: MAX_OUTPUT_BYTES,
        },
        (error, stdout) => {
          if (error === null) resolve({ kind: 'rows', rows: parseGpuRows(stdout, fields) });
          else resolve({ kind: error.code === 'ENOENT' ? 'missing' : 'refused' });
        },
      );
    });
  }
}

/**
 * Ids of the GPUs that jobs may be given, for CUDA_VISIBLE_DEVICES: UUIDs where the driver tells them, which
 * stay the same when a GPU is lost. Those that the agent itself is limited to, if it is.
 */
export async function detectGpuIds(env: GpuReaderOptions['env']): Promise<string[]> {
  const visible = env['CUDA_VISIBLE_DEVICES'];
  const gpus = (await new GpuReader({ env, timeoutMs: DETECT_MS }).read()) ?? [];
  const ids = gpus.map(({ uuid, index }) => uuid ?? String(index));
  if (visible === undefined) return ids;
  const wanted = visible.split(',').map((id) => id.trim());
  return wanted.flatMap((id) => {
    const found = gpus.findIndex(
      ({ uuid, index }) => id !== '' && (id === String(index) || uuid?.startsWith(id)),
    );
    return found < 0 ? [] : [ids[found]!];
  });
}
