import { FRAME_BYTES, framedArguments, unframe } from './call-frame.ts';
import { runProcess } from './run-process.ts';
import {
  type CallResult,
  type RemoteCall,
  TRANSPORT_LIMITS,
  type Transport,
  TransportError,
} from './transport.ts';

/** This machine, for what otherwise runs on another one: a Slurm whose commands are here, and tests. */
export class LocalTransport implements Transport {
  readonly name = 'local';
  readonly #env: Readonly<Record<string, string | undefined>>;

  constructor(options: { readonly env?: Readonly<Record<string, string | undefined>> } = {}) {
    this.#env = options.env ?? process.env;
  }

  async run(call: RemoteCall): Promise<CallResult> {
    const end = await runProcess({
      program: 'sh',
      args: framedArguments(call),
      env: this.#env,
      stdin: call.stdin,
      timeoutMs: call.timeoutMs ?? TRANSPORT_LIMITS.commandTimeoutMs,
      maxOutputBytes: (call.maxOutputBytes ?? TRANSPORT_LIMITS.maxOutputBytes) + FRAME_BYTES,
      signal: call.signal,
    });
    const result = unframe(end.stdout);
    if (result !== undefined && end.killed === undefined) return { ...result, stderr: end.stderr };
    throw new TransportError(
      end.killed ?? 'unreachable',
      end.killed === undefined
        ? `a shell of this machine ended early: ${end.stderr.trim()}`
        : `a call ${end.killed === 'timed_out' ? 'took too long and was ended' : 'printed too much'}`,
    );
  }

  async close(): Promise<void> {}
}
