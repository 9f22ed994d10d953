import type { ProgramFiles } from '../executor.ts';
import type { HostLink } from './host-link.ts';
import { judgeOnHost } from './judge-on-host.ts';

/** Files that a program on a host names: looked at and hashed over there, however long that takes. */
export class RemoteProgramFiles implements ProgramFiles {
  readonly isLocal = false;
  readonly workingDir: string;
  readonly #link: HostLink;
  readonly #attemptsDir: string;

  /** @param attemptsDir directory of all attempts over there */
  constructor(link: HostLink, workingDir: string, attemptsDir: string) {
    this.#link = link;
    this.workingDir = workingDir;
    this.#attemptsDir = attemptsDir;
  }

  async stat(path: string): ReturnType<ProgramFiles['stat']> {
    const { exitCode, stdout } = await this.#link.persistently({ script: SIZE_SCRIPT, args: [path] });
    const match = /^(file|directory) (\d+)$/.exec(stdout.toString('utf8').trim());
    if (exitCode !== 0 || match === null) return undefined;
    return { kind: match[1] as 'file' | 'directory', sizeBytes: Number(match[2]) };
  }

  sha256(path: string, signal: AbortSignal): Promise<string> {
    return this.#hash('sha256sum < "$1"', path, signal);
  }

  sha256OfDirectory(path: string, signal: AbortSignal): Promise<string> {
    return this.#hash(DIRECTORY_HASH_SCRIPT, path, signal);
  }

  async #hash(script: string, path: string, signal: AbortSignal): Promise<string> {
    const call = { script, args: [path], timeoutMs: HASH_LIMIT_MS };
    const { exitCode, stdout, stderr } = await this.#link.persistently(call, { signal });
    const sum = stdout.toString('utf8').slice(0, 64);
    if (exitCode !== 0 || !/^[0-9a-f]{64}$/.test(sum)) {
      throw new Error(`${path} cannot be read on ${this.#link.transport.name}: ${stderr.trim()}`);
    }
    return sum;
  }

  /** What is not there may be on another host: only what is found is said to be deleted. */
  async remove(path: string, alsoIn: string | undefined, before: () => Promise<void>): Promise<void> {
    const place = { path, attemptsDir: this.#attemptsDir, alsoIn };
    const { stdout } = await this.#link.persistently(judgeOnHost(place, 'look'));
    if (stdout.toString('utf8').trim() !== 'there') return;
    await before();
    await this.#link.persistently(judgeOnHost(place, 'remove'));
  }
}

/** A terabyte takes about an hour. */
const HASH_LIMIT_MS = 3_600_000;

/** A part that fails (a file that cannot be read, options that are not known) leaves a mark where the sum would be. */
const DIRECTORY_HASH_SCRIPT = `
cd "$1" || exit 1
sum=$({ { find . -type f -print0 || echo failed >&3; } | { LC_ALL=C sort -z || echo failed >&3; } |
  { xargs -0r sha256sum -z || echo failed >&3; } | sha256sum; } 3>&1)
case $sum in *failed*) exit 1 ;; esac
echo "$sum"
`;

const SIZE_SCRIPT = `
if [ -f "$1" ]; then
  echo "file $(stat -L -c %s "$1")"
elif [ -d "$1" ]; then
  echo "directory $(find "$1/." -type f -exec stat -c %s {} + | awk '{ sum += $1 } END { printf "%.0f", sum }')"
else
  exit 44
fi
`;
