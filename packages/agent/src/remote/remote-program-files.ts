import type { ProgramFiles } from '../executor.ts';
import type { HostLink } from './host-link.ts';

/** Files that a program on a host names: looked at and hashed over there, however long that takes. */
export class RemoteProgramFiles implements ProgramFiles {
  readonly isLocal = false;
  readonly workingDir: string;
  readonly #link: HostLink;

  constructor(link: HostLink, workingDir: string) {
    this.#link = link;
    this.workingDir = workingDir;
  }

  async stat(path: string): ReturnType<ProgramFiles['stat']> {
    const { exitCode, stdout } = await this.#link.persistently({ script: SIZE_SCRIPT, args: [path] });
    const match = /^(file|directory) (\d+)$/.exec(stdout.toString('utf8').trim());
    if (exitCode !== 0 || match === null) return undefined;
    return { kind: match[1] as 'file' | 'directory', sizeBytes: Number(match[2]) };
  }

  async sha256(path: string, signal: AbortSignal): Promise<string> {
    const call = { script: 'sha256sum < "$1"', args: [path], timeoutMs: HASH_LIMIT_MS };
    const { exitCode, stdout, stderr } = await this.#link.persistently(call, { signal });
    const sum = stdout.toString('utf8').slice(0, 64);
    if (exitCode !== 0 || !/^[0-9a-f]{64}$/.test(sum)) {
      throw new Error(`${path} cannot be read on ${this.#link.transport.name}: ${stderr.trim()}`);
    }
    return sum;
  }
}

/** A terabyte takes about an hour. */
const HASH_LIMIT_MS = 3_600_000;
const SIZE_SCRIPT = `
if [ -f "$1" ]; then
  echo "file $(stat -L -c %s "$1")"
elif [ -d "$1" ]; then
  echo "directory $(find "$1/." -type f -exec stat -c %s {} + | awk '{ sum += $1 } END { printf "%.0f", sum }')"
else
  exit 44
fi
`;
