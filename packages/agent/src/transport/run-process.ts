import { type ChildProcess, spawn } from 'node:child_process';
import { Readable } from 'node:stream';
import { TRANSPORT_LIMITS } from './transport.ts';

export interface ProcessCall {
  readonly program: string;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly stdin?: Uint8Array | AsyncIterable<Uint8Array> | undefined;
  readonly timeoutMs: number;
  readonly maxOutputBytes: number;
  readonly signal?: AbortSignal | undefined;
}

export interface ProcessEnd {
  /** `null` when it was ended by a signal, or could not be started. */
  readonly exitCode: number | null;
  readonly stdout: Buffer;
  readonly stderr: string;
  /** Why it was killed here. */
  readonly killed: 'timed_out' | 'too_large' | undefined;
}

/**
 * Runs a program in a group of its own, which is killed when the time is up, and answers when the program has
 * ended and its output is read. A child that it leaves behind does not hold the answer up for long.
 * @throws the signal's reason when it fires, the error of a program that cannot be started, and that of its input
 */
export async function runProcess(call: ProcessCall): Promise<ProcessEnd> {
  const { signal } = call;
  signal?.throwIfAborted();
  const child = spawn(call.program, call.args, {
    env: call.env ?? process.env,
    detached: true,
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  let killed: ProcessEnd['killed'];
  const kill = (why: ProcessEnd['killed']) => {
    killed ??= why;
    killGroup(child);
  };
  const timer = setTimeout(() => kill('timed_out'), call.timeoutMs);
  const onAbort = () => killGroup(child);
  signal?.addEventListener('abort', onAbort, { once: true });
  const stdout = gather(child, call.maxOutputBytes, () => kill('too_large'));
  const stderr = gatherTail(child);
  try {
    const exitCode = await new Promise<number | null>((resolve, reject) => {
      child.once('error', reject);
      // A program that was not started has no stdin that could be fed.
      child.once('spawn', () => feed(child, call.stdin, reject));
      child.once('close', resolve);
      child.once('exit', (code) => {
        // What was killed here has no output that counts; ssh's shared connection may still hold it open.
        const isKilled = killed !== undefined || signal?.aborted === true;
        if (isKilled) resolve(code);
        else setTimeout(() => resolve(code), DRAIN_MS).unref();
      });
    });
    signal?.throwIfAborted();
    return { exitCode, stdout: stdout(), stderr: stderr(), killed };
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener('abort', onAbort);
    child.stdout.destroy();
    child.stderr.destroy();
    child.stdin.destroy();
  }
}

/** How long a child of the program may hold its output open after its end. */
const DRAIN_MS = 5000;

/** Kills a detached child with all that it started in its group. */
export function killGroup(child: ChildProcess): void {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  try {
    process.kill(-child.pid, 'SIGKILL');
  } catch {
    child.kill('SIGKILL');
  }
}

function feed(child: ChildProcess, stdin: ProcessCall['stdin'], onFault: (error: Error) => void): void {
  const input = child.stdin;
  if (input === null) return;
  // A program that ends before it has read everything is no fault of its own.
  input.on('error', () => {});
  if (stdin === undefined) input.end();
  else if (stdin instanceof Uint8Array) input.end(stdin);
  else {
    const source = Readable.from(stdin, { objectMode: false });
    source.once('error', (error) => {
      // It must not take what came so far for the whole.
      killGroup(child);
      onFault(error);
    });
    source.pipe(input);
  }
}

function gather(child: ChildProcess, maxBytes: number, onTooLarge: () => void): () => Buffer {
  const chunks: Buffer[] = [];
  let size = 0;
  child.stdout?.on('data', (chunk: Buffer) => {
    size += chunk.length;
    if (size > maxBytes) onTooLarge();
    else chunks.push(chunk);
  });
  return () => Buffer.concat(chunks);
}

function gatherTail(child: ChildProcess): () => string {
  let text = Buffer.alloc(0);
  child.stderr?.on('data', (chunk: Buffer) => {
    text = Buffer.concat([text, chunk]).subarray(-TRANSPORT_LIMITS.stderrBytes);
  });
  return () => text.toString('utf8');
}
