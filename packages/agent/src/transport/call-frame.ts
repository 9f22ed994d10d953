import { shellQuote } from './shell-quote.ts';
import { type CallResult, type RemoteCall, TRANSPORT_LIMITS } from './transport.ts';

/**
 * A script is run inside a frame: a mark before its output, and one with its exit code after it. So what a login
 * shell prints is not taken for output, a result that was cut off is never taken for a whole one, and an exit
 * code is that of the script: the ssh client gives 255 for its own faults as well.
 *
 * The script travels as base64, so that every login shell, csh and fish too, hands it on as it is.
 */
const FRAME =
  'b=$1;shift;s=$(printf %s "$b"|base64 -d);printf "\\036\\036begin\\n";(eval "$s");printf "\\036\\036end %d\\n" "$?"';

const BEGIN = Buffer.from('\x1e\x1ebegin\n');
const END = '\x1e\x1eend ';
/** The mark at the end has at most this length. */
const END_BYTES = 16;

/** Arguments for `sh` that run the script of a call in its frame. */
export function framedArguments({ script, args = [] }: Pick<RemoteCall, 'script' | 'args'>): string[] {
  const encoded = Buffer.from(script).toString('base64');
  if (encoded.length > TRANSPORT_LIMITS.scriptBytes) throw new RangeError('the script of a call is too long');
  return ['-c', FRAME, 'trainyard', encoded, ...args];
}

/** The same as one line for the login shell of another machine. */
export function framedCommand(call: Pick<RemoteCall, 'script' | 'args'>): string {
  return `exec sh ${framedArguments(call).map(shellQuote).join(' ')}`;
}

/** Takes a result out of its frame; `undefined` when it is not complete. */
export function unframe(stdout: Buffer): Omit<CallResult, 'stderr'> | undefined {
  const begin = stdout.indexOf(BEGIN);
  if (begin < 0) return undefined;
  const tailStart = Math.max(begin + BEGIN.length, stdout.length - END_BYTES);
  const tail = stdout.toString('latin1', tailStart);
  const end = tail.lastIndexOf(END);
  const exitCode = /^(\d+)\n$/.exec(tail.slice(end + END.length));
  if (end < 0 || exitCode === null) return undefined;
  return {
    exitCode: Number(exitCode[1]),
    stdout: stdout.subarray(begin + BEGIN.length, tailStart + end),
  };
}

/** Bytes that the frame itself adds to an output. */
export const FRAME_BYTES = BEGIN.length + END_BYTES;
