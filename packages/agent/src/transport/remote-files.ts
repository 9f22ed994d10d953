import { createHash } from 'node:crypto';
import type { CallResult, RemoteCall, Transport } from './transport.ts';

export interface RemoteStat {
  readonly kind: 'file' | 'directory' | 'other';
  readonly sizeBytes: number;
  /** Changes when another file gets the name. */
  readonly inode: string;
}

/** Files of a machine behind a transport. Paths are absolute. */
export class RemoteFiles {
  readonly #transport: Transport;

  constructor(transport: Transport) {
    this.#transport = transport;
  }

  /** Bytes from `offset` on, at most `maxBytes`; `undefined` when there is no such file. */
  async readFrom(
    path: string,
    offset: number,
    maxBytes: number,
    options: { readonly signal?: AbortSignal } = {},
  ): Promise<Buffer | undefined> {
    const result = await this.#run({
      script: READ_SCRIPT,
      args: [path, String(offset + 1), String(maxBytes)],
      maxOutputBytes: maxBytes + 1024,
      ...options,
    });
    if (result.exitCode === MISSING) return undefined;
    return expectOk(result, `reading ${path}`).stdout;
  }

  /** Writes a whole file, seen by its name only once it is complete. */
  async write(
    path: string,
    content: Uint8Array,
    options: { readonly mode?: number; readonly signal?: AbortSignal } = {},
  ): Promise<void> {
    const { mode = 0o600, ...rest } = options;
    const sum = createHash('sha256').update(content).digest('hex');
    const result = await this.#run({
      script: WRITE_SCRIPT,
      args: [path, mode.toString(8), sum],
      stdin: content,
      ...rest,
    });
    expectOk(result, `writing ${path}`);
  }

  async stat(path: string): Promise<RemoteStat | undefined> {
    const result = await this.#run({ script: STAT_SCRIPT, args: [path] });
    if (result.exitCode === MISSING) return undefined;
    const [kind = 'other', size, inode = ''] = expectOk(result, `looking at ${path}`)
      .stdout.toString('utf8')
      .trim()
      .split(' ');
    return { kind: kind as RemoteStat['kind'], sizeBytes: Number(size), inode };
  }

  /** SHA-256 of a file in hex, computed over there; `undefined` when there is no such file. */
  async sha256(path: string, options: { readonly signal?: AbortSignal } = {}): Promise<string | undefined> {
    const result = await this.#run({ script: SHA_SCRIPT, args: [path], ...options });
    if (result.exitCode === MISSING) return undefined;
    const sum = expectOk(result, `hashing ${path}`).stdout.toString('utf8').trim().slice(0, 64);
    if (!/^[0-9a-f]{64}$/.test(sum)) throw new Error(`${this.#transport.name} gave no SHA-256 of ${path}`);
    return sum;
  }

  #run(call: RemoteCall): Promise<CallResult> {
    return this.#transport.run(call);
  }
}

/** @throws Error with the last words of the script when it failed */
export function expectOk(result: CallResult, what: string): CallResult {
  if (result.exitCode === 0) return result;
  throw new Error(`${what} failed (exit code ${result.exitCode}): ${result.stderr.trim()}`);
}

const MISSING = 44;
const READ_SCRIPT = '[ -f "$1" ] || exit 44\ntail -c "+$2" "$1" | head -c "$3"';
const WRITE_SCRIPT = `
umask 077
tmp="$1.$$.tmp"
trap 'rm -f "$tmp"' EXIT
cat > "$tmp" || exit 1
sum=$(sha256sum < "$tmp" 2>/dev/null || shasum -a 256 < "$tmp") || exit 1
[ "\${sum%% *}" = "$3" ] || { echo "the content arrived incomplete" >&2; exit 1; }
chmod "$2" "$tmp" && mv -f "$tmp" "$1"
`;
const STAT_SCRIPT = `
[ -e "$1" ] || exit 44
kind=other; [ -f "$1" ] && kind=file; [ -d "$1" ] && kind=directory
printf "%s %s\\n" "$kind" "$(stat -L -c '%s %i' "$1" 2>/dev/null || stat -L -f '%z %i' "$1")"
`;
const SHA_SCRIPT = '[ -f "$1" ] || exit 44\nsha256sum < "$1" 2>/dev/null || shasum -a 256 < "$1"';
