/** A script to run on a machine, with everything that it needs. */
export interface RemoteCall {
  /** POSIX sh. It is a constant of ours: what varies comes in `args`, as "$1", "$2" and so on. */
  readonly script: string;
  readonly args?: readonly string[];
  /** What the script reads; for secrets too, which must not be arguments. */
  readonly stdin?: Uint8Array | AsyncIterable<Uint8Array>;
  /** From the call to its result, all included. Default: that of the transport. */
  readonly timeoutMs?: number;
  /** Default 1 MiB. */
  readonly maxOutputBytes?: number;
  readonly signal?: AbortSignal;
}

export interface CallResult {
  /** That of the script itself. A fault of the link is never one: it is thrown. */
  readonly exitCode: number;
  readonly stdout: Buffer;
  /** For messages; cut to its last part. */
  readonly stderr: string;
}

/** A way to a machine: this one, or another one over SSH. Calls may be made at the same time. */
export interface Transport {
  /** For people, such as `local` or `user@host`. */
  readonly name: string;
  /**
   * Runs a script to its end. After a TransportError it is unknown whether it ran: scripts must bear to be
   * run again.
   * @throws TransportError when no complete result came, and the signal's reason when it fires
   */
  run(call: RemoteCall): Promise<CallResult>;
  /** Closes connections; programs that were started detached go on. */
  close(): Promise<void>;
}

/**
 * Why a call gave no result. `unreachable` and `timed_out` may pass by themselves; `auth` and `host_key` need a
 * person; `too_large` means that the output had more than `maxOutputBytes`.
 */
export type TransportFault = 'unreachable' | 'timed_out' | 'auth' | 'host_key' | 'too_large';

export class TransportError extends Error {
  readonly fault: TransportFault;

  constructor(fault: TransportFault, message: string, options: { cause?: unknown } = {}) {
    super(message, options);
    this.name = 'TransportError';
    this.fault = fault;
  }
}

/** Runs a program with these arguments, each as it is. */
export function runArgv(
  transport: Transport,
  argv: readonly string[],
  options: Omit<RemoteCall, 'script' | 'args'> = {},
): Promise<CallResult> {
  return transport.run({ ...options, script: 'exec "$@"', args: argv });
}

/** Numbers of all transports. */
export const TRANSPORT_LIMITS = {
  connectTimeoutMs: 30_000,
  commandTimeoutMs: 3_600_000,
  maxOutputBytes: 1024 * 1024,
  stderrBytes: 16 * 1024,
  /** Linux takes at most 128 KiB as one argument. */
  scriptBytes: 90 * 1024,
} as const;
