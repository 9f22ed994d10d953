import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { StartError } from '../executor.ts';
import type { CallResult, Transport } from '../transport/transport.ts';
import { type CodeSnapshot, snapshotCode } from './code-snapshot.ts';
import type { HostLink } from './host-link.ts';
import type { RemoteLayout } from './remote-layout.ts';

/**
 * Sends a code folder to a host, unless the same code is there already, and gives the attempt a copy of its own:
 * what the program writes beside its code does not change what others are started from.
 * @throws TransportError when the host cannot be reached, StartError when the code cannot be sent
 */
export async function uploadCode(options: {
  /** Folder on this machine. */
  readonly source: string;
  readonly layout: RemoteLayout;
  /** Where the copy is to be. */
  readonly work: string;
  readonly link: HostLink;
  readonly signal: AbortSignal;
}): Promise<CodeSnapshot> {
  const { source, layout, work, link, signal } = options;
  const snapshot = await snapshotCode(source);
  const store = `${layout.codeDir}/${snapshot.id}`;
  const place = async () => {
    const result = await link.once(
      { script: PLACE_SCRIPT, args: [store, work], timeoutMs: COPY_LIMIT_MS },
      signal,
    );
    if (result.exitCode !== 0 && result.exitCode !== ABSENT) throw notSent(source, result);
    return result.exitCode === 0;
  };
  while (!(await place())) {
    const others = sendingTo(link.transport);
    const other = others.get(store);
    if (other === undefined) {
      const sent = send(source, snapshot, { store, work }, link, signal);
      others.set(store, sent);
      await sent.finally(() => others.delete(store));
      break;
    }
    // What becomes of it is seen by a look; its end is not ours.
    await Promise.race([other.catch(() => undefined), aborted(signal)]);
  }
  return snapshot;
}

/** Code that is on its way to a host, by where it is to be: who needs the same does not send it once more. */
const sending = new WeakMap<Transport, Map<string, Promise<void>>>();

function sendingTo(transport: Transport): Map<string, Promise<void>> {
  const known = sending.get(transport) ?? new Map<string, Promise<void>>();
  sending.set(transport, known);
  return known;
}

/** Rejects when the signal fires. */
function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    if (signal.aborted) reject(signal.reason);
    else signal.addEventListener('abort', () => reject(signal.reason), { once: true });
  });
}

/** Packs the files with this machine's tar and checks every one of them over there before any counts. */
async function send(
  source: string,
  snapshot: CodeSnapshot,
  { store, work }: { readonly store: string; readonly work: string },
  link: HostLink,
  signal: AbortSignal,
): Promise<void> {
  // Another agent may be sending the same.
  const parts = `${store}.${randomBytes(6).toString('hex')}`;
  const sums = await link.once(
    { script: SUMS_SCRIPT, args: [parts], stdin: Buffer.from(snapshot.checksums) },
    signal,
  );
  if (sums.exitCode !== 0) throw notSent(source, sums);
  const call = {
    script: `(${UNPACK_SCRIPT}) || exit\n${PLACE_SCRIPT}`,
    args: [store, work, parts],
    stdin: pack(source, snapshot),
    timeoutMs: SEND_LIMIT_MS,
  };
  const result = await link.once(call, signal);
  if (result.exitCode !== 0) throw notSent(source, result);
}

async function* pack(source: string, { paths }: CodeSnapshot): AsyncGenerator<Buffer> {
  const args = ['-C', source, '-czf', '-', '--no-recursion', '--null', '-T', '-'];
  const tar = spawn('tar', args, { stdio: ['pipe', 'pipe', 'pipe'] });
  let stderr = '';
  tar.stderr.on('data', (chunk: Buffer) => {
    stderr = (stderr + chunk.toString('utf8')).slice(-2000);
  });
  const ended = new Promise<number | null>((resolve, reject) => {
    tar.once('error', reject);
    tar.once('close', resolve);
  });
  ended.catch(() => {});
  tar.stdin.on('error', () => {});
  tar.stdin.end(['.', ...paths.map((path) => `./${path}`)].map((path) => `${path}\0`).join(''));
  try {
    for await (const chunk of tar.stdout) yield chunk as Buffer;
    const code = await ended;
    if (code !== 0) throw new StartError('code_not_sent', `tar could not pack ${source}: ${stderr.trim()}`);
  } finally {
    tar.kill('SIGKILL');
  }
}

function notSent(source: string, { exitCode, stderr }: CallResult): StartError {
  const said = stderr.trim().split('\n').slice(-5).join('\n');
  return new StartError(
    'code_not_sent',
    `the code folder ${source} could not be sent (exit code ${exitCode}): ${said}`,
  );
}

const ABSENT = 44;
const COPY_LIMIT_MS = 10 * 60_000;
const SEND_LIMIT_MS = 3_600_000;

/**
 * Renames a directory unless the new name is taken. Plain mv would put it into a directory of that name that another
 * one has just made; where it has no -T only a look is left.
 */
const RENAME = `
rename() { mv -T "$1" "$2" 2>/dev/null || [ -d "$2" ] || mv "$1" "$2"; }
`;

/** Copies what is in the store to the place of the attempt, once. */
const PLACE_SCRIPT = `
${RENAME}
store=$1 work=$2
[ -d "$work" ] && exit 0
[ -d "$store" ] || exit 44
mkdir -p "\${work%/*}" && chmod 700 "\${work%/*}" || exit 73
tmp=$work.$$
trap 'rm -rf "$tmp"' EXIT
# What was not wanted for long is removed.
touch "$store" 2>/dev/null
cp -Rp --reflink=auto "$store" "$tmp" 2>/dev/null || { rm -rf "$tmp"; cp -Rp "$store" "$tmp" || exit 73; }
rename "$tmp" "$work" || exit 73
`;

const SUMS_SCRIPT = 'mkdir -p "${1%/*}" && cat > "$1.sums"';

/** Nothing has the name of the store unless all of it is there and every file has its checksum. */
const UNPACK_SCRIPT = `
${RENAME}
store=$1 tmp=$3
trap 'rm -rf "$tmp" "$tmp.sums" "$tmp.check"' EXIT
mkdir -p "$tmp" && tar -xzof - -C "$tmp" || { echo "the code arrived incomplete" >&2; exit 74; }
if [ -s "$tmp.sums" ]; then
  (cd "$tmp" && sha256sum -c "$tmp.sums") > "$tmp.check" 2>&1 || {
    grep -v ': OK$' "$tmp.check" | head -n 5 >&2
    echo "the code changed while it was sent" >&2
    exit 74
  }
fi
rename "$tmp" "$store"
`;
