import { EXIT } from '@trainyard/protocol/plain';
import { guardInterrupts, Interrupted } from './interrupt.ts';

const gone = new AbortController();

/** Fires when the reader of our stdout went away, as in `trainyard runs logs | head`. */
export const stdoutReaderGone: AbortSignal = gone.signal;

/**
 * Makes a closed stdout no fault: what streams to it ends (see `stdoutReaderGone`), everything else goes on
 * and keeps its exit code.
 */
export function watchStdoutReader(): void {
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
    gone.abort();
  });
}

/** Runs work that writes for long: Ctrl-C ends it with 130, a reader that goes away (`| head`) with 0. */
export async function streamToStdout(work: (signal: AbortSignal) => Promise<void>): Promise<number> {
  const guard = guardInterrupts();
  try {
    await work(AbortSignal.any([guard.signal, stdoutReaderGone]));
  } catch (error) {
    if (guard.signal.aborted) throw new Interrupted();
    if (!stdoutReaderGone.aborted) throw error;
  } finally {
    guard.release();
  }
  return EXIT.ok;
}

/** Waits while the reader of our stdout is slower than what is written. */
export function writeToStdout(bytes: Uint8Array): Promise<void> {
  return new Promise((resolve) => {
    if (process.stdout.write(bytes) || stdoutReaderGone.aborted) {
      resolve();
      return;
    }
    const done = (): void => {
      process.stdout.off('drain', done);
      stdoutReaderGone.removeEventListener('abort', done);
      resolve();
    };
    process.stdout.once('drain', done);
    stdoutReaderGone.addEventListener('abort', done, { once: true });
  });
}
