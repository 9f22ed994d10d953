import type { AttemptSpec } from '@trainyard/protocol';
import type { HostLink } from './host-link.ts';

/**
 * Removes the directory of an attempt on its host with the links that lead into it, and code that no attempt was
 * started from for long. @throws when the host cannot be reached, or something cannot be removed
 */
export async function removeRemoteFiles(
  link: HostLink,
  base: string,
  { attemptId, runId }: Pick<AttemptSpec, 'attemptId' | 'runId'>,
): Promise<void> {
  const args = [base, attemptId, String(CODE_DAYS), runId];
  const { exitCode, stderr } = await link.once({
    ...{ script: REMOVE_SCRIPT, args },
    timeoutMs: REMOVE_LIMIT_MS,
  });
  if (exitCode !== 0) {
    const what = `${base}/attempts/${attemptId} on ${link.transport.name}`;
    throw new Error(`${what} could not be removed: ${stderr.trim().split('\n').at(-1)}`);
  }
}

const REMOVE_LIMIT_MS = 600_000;
const CODE_DAYS = 30;

/** Links first, since only the directory says that there is something to remove. */
const REMOVE_SCRIPT = `
cd "$1" 2>/dev/null || exit 0
for id in "$2" "$4"; do
  case $id in '' | *[!A-Za-z0-9_]*) exit 64 ;; esac
done
for link in platform_metrics/*; do
  [ -L "$link" ] || continue
  case $(readlink "$link") in ../attempts/"$2"/*) rm -f "$link" ;; esac
done
rm -rf "attempts/$2" || exit 73
rm -f "runs/$4"/*."$2"
rmdir "runs/$4" 2>/dev/null
find code -mindepth 1 -maxdepth 1 -mtime "+$3" 2>/dev/null | while read -r old; do
  mv "$old" "$old.old" 2>/dev/null && rm -rf "$old.old"
done
:
`;
