import { TrainyardError } from '@trainyard/protocol';
import type { RemovalReason } from '../store/stream-schema.ts';
import type { StoredStream } from './stored-stream.ts';

const WHY: Readonly<Record<RemovalReason, string>> = {
  age: 'the run had ended longer ago than the server keeps logs',
  size: 'all logs together had become larger than the server keeps',
};

/** @throws TrainyardError LOG_REMOVED when the bytes of the stream are gone */
export function refuseRemoved(stream: {
  readonly attemptId: string;
  readonly stream: StoredStream;
  readonly size: number;
  readonly removed_at: Date | null;
  readonly removed_because: RemovalReason | null;
}): void {
  const { attemptId, size, removed_at, removed_because } = stream;
  // What is appended to it after all is not enough to show.
  if (removed_at === null) return;
  const what = stream.stream === 'log' ? 'log' : `${stream.stream} file`;
  throw new TrainyardError(
    'LOG_REMOVED',
    `The ${what} of attempt ${attemptId} (${size} bytes) was removed on ${removed_at.toISOString().slice(0, 10)}: ` +
      `${WHY[removed_because ?? 'age']} (retention in its configuration). Runs that are kept (trainyard runs keep) are left alone.`,
    { details: { removedAt: removed_at.toISOString(), because: removed_because, sizeBytes: size } },
  );
}
