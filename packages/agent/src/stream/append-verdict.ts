import { gapSize, isForeignAnswer, retryAfterMs } from '@trainyard/client';
import { ERRORS, TrainyardError } from '@trainyard/protocol';

/** What an append that failed asks for. */
export type AppendVerdict =
  /** The server has the stream up to `size`: go on there. */
  | { readonly kind: 'resync'; readonly size: number }
  /** The server wants nothing more of this attempt: end its process. */
  | { readonly kind: 'fenced' }
  /** Send less at once. */
  | { readonly kind: 'too_large'; readonly message: string }
  /** These bytes will never be taken. */
  | { readonly kind: 'refused'; readonly message: string }
  /** Send the same again later; `answered` when it was a Trainyard server that said so. */
  | { readonly kind: 'later'; readonly answered: boolean; readonly afterMs: number };

export function judgeAppendError(error: unknown): AppendVerdict {
  const size = gapSize(error);
  if (size !== undefined) return { kind: 'resync', size };
  if (!(error instanceof TrainyardError)) return { kind: 'later', answered: false, afterMs: 0 };
  const { code, message } = error;
  // A proxy that wants a login does not say that the attempt is over.
  if (isForeignAnswer(error) && FENCED.has(code)) return { kind: 'later', answered: false, afterMs: 0 };
  if (FENCED.has(code)) return { kind: 'fenced' };
  if (code === 'TOO_LARGE') return { kind: 'too_large', message };
  const { httpStatus } = ERRORS[code];
  const isRefusal = httpStatus >= 400 && httpStatus < 500 && !TRANSIENT.has(code);
  if (isRefusal) return { kind: 'refused', message };
  return { kind: 'later', answered: code !== 'SERVER_UNREACHABLE', afterMs: retryAfterMs(error) };
}

const FENCED: ReadonlySet<string> = new Set(['ATTEMPT_FENCED', 'NOT_FOUND', 'UNAUTHENTICATED', 'FORBIDDEN']);
/** Answers of 4xx that say nothing about the bytes. */
const TRANSIENT: ReadonlySet<string> = new Set(['TOO_MANY_REQUESTS', 'HOST_NOT_ALLOWED']);
