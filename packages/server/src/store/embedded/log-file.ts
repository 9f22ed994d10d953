import { closeSync, copyFileSync, fstatSync, ftruncateSync, openSync, readSync, statSync } from 'node:fs';

/** A log grows to this size, then its content moves to `<name>.1` and it starts again. */
const LOG_LIMIT_BYTES = 8 * 1024 * 1024;
const CHECK_INTERVAL_MS = 60_000;
const TAIL_BYTES = 8 * 1024;
const TAIL_LINES = 20;

/**
 * The file that PostgreSQL writes its log to. The processes hold it open for appending and outlive us, so
 * it is shortened in place: a pipe would break when the parent dies, just when the log matters.
 */
export interface LogFile {
  readonly path: string;
  /** Descriptor opened for appending, to be given to child processes. */
  readonly fd: number;
  /** Last lines since the file was opened here. */
  tail(): string;
  close(): void;
}

export function openLogFile(path: string): LogFile {
  const fd = openSync(path, 'a', 0o600);
  shorten(path, fd);
  let startBytes = fstatSync(fd).size;
  const timer = setInterval(() => {
    if (shorten(path, fd)) startBytes = 0;
  }, CHECK_INTERVAL_MS);
  timer.unref();
  return {
    path,
    fd,
    tail: () => readTail(path, startBytes),
    close: () => {
      clearInterval(timer);
      closeSync(fd);
    },
  };
}

function shorten(path: string, fd: number): boolean {
  if (fstatSync(fd).size <= LOG_LIMIT_BYTES) return false;
  try {
    copyFileSync(path, `${path}.1`);
  } catch {
    // A full disk must not keep the log from being cut.
  }
  ftruncateSync(fd, 0);
  return true;
}

function readTail(path: string, startBytes: number): string {
  let fd: number;
  try {
    fd = openSync(path, 'r');
  } catch {
    return '';
  }
  try {
    const sizeBytes = statSync(path).size;
    const from = Math.max(startBytes > sizeBytes ? 0 : startBytes, sizeBytes - TAIL_BYTES);
    const buffer = Buffer.alloc(Math.max(0, sizeBytes - from));
    const readBytes = readSync(fd, buffer, 0, buffer.length, from);
    const lines = buffer.toString('utf8', 0, readBytes).trimEnd().split('\n');
    return lines.slice(-TAIL_LINES).join('\n');
  } finally {
    closeSync(fd);
  }
}
