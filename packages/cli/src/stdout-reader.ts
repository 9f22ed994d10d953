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
