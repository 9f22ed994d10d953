import type { RemoteCall } from '../transport/transport.ts';

/** What is at a path of a host, for a caller who owns only what is inside of attempts and of a directory of the job. */
export type RemoteVerdict = 'there' | 'removed' | 'gone' | 'outside' | 'link';

/**
 * A call that prints a `RemoteVerdict`, and removes what may be removed when it is asked to.
 * @param place `attemptsDir` is the directory of all attempts over there, `alsoIn` one of the job
 */
export function judgeOnHost(
  place: { readonly path: string; readonly attemptsDir: string; readonly alsoIn: string | undefined },
  doing: 'look' | 'remove',
): RemoteCall {
  const args = [place.path, place.attemptsDir, place.alsoIn ?? '', doing];
  return { script: JUDGE_SCRIPT, args, ...(doing === 'remove' ? { timeoutMs: REMOVE_LIMIT_MS } : {}) };
}

const REMOVE_LIMIT_MS = 600_000;

/**
 * No link is followed that leads out, and none is deleted. Gone is only what is missing in a directory that is there:
 * where the directory of the job itself is missing, a file system may not be mounted.
 */
const JUDGE_SCRIPT = `
say() { echo "$1"; exit 0; }
name=\${1##*/}
case $name in '' | . | ..) say outside ;; esac
if parent=$(cd "\${1%/*}/" 2>/dev/null && pwd -P); then
  place=\${parent%/}/$name
else
  case $1 in */./* | */../*) say outside ;; esac
  parent=
  place=$1
fi
inside=no
root=$(cd "$2" 2>/dev/null && pwd -P) && case $place in "$root"/*/*) inside=yes ;; esac
if [ -n "$3" ] && root=$(cd "$3" 2>/dev/null && pwd -P); then
  case $place in "$root"/*) inside=yes ;; esac
  [ -z "$parent" ] && case $place in "\${3%/}"/*) inside=yes ;; esac
fi
[ "$inside" = yes ] || say outside
[ -L "$place" ] && say link
[ -n "$parent" ] && [ -e "$place" ] || say gone
[ "$4" = remove ] || say there
rm -rf -- "$place" || exit 73
say removed
`;
