import { lstat, realpath } from 'node:fs/promises';
import { basename, dirname, join, relative, resolve, sep } from 'node:path';

/** Whether what is at a path may be deleted, for a caller who owns only what is in `roots`. */
export type Deletable =
  | { readonly kind: 'there'; readonly path: string }
  | { readonly kind: 'gone' }
  | { readonly kind: 'refused'; readonly reason: string };

/**
 * Judges a path without following a link that leads out: its directory is resolved, and what is there must
 * lie inside one of the roots by at least `depth` names. A symbolic link itself is refused.
 */
export async function judgePath(
  path: string,
  roots: readonly { readonly dir: string; readonly depth: number }[],
): Promise<Deletable> {
  const wanted = resolve(path);
  const parent = await realpath(dirname(wanted)).catch(() => undefined);
  const place = join(parent ?? dirname(wanted), basename(wanted));
  const isInside = await Promise.all(
    roots.map(async ({ dir, depth }) => {
      const inner = relative(await realpath(dir).catch(() => resolve(dir)), place);
      const names = inner.split(sep);
      return inner !== '' && names[0] !== '..' && !inner.startsWith(sep) && names.length >= depth;
    }),
  );
  if (!isInside.includes(true)) {
    return {
      kind: 'refused',
      reason: "it is outside of this agent's attempt directories and of the job's checkpointDir",
    };
  }
  const found = parent === undefined ? undefined : await lstat(place).catch(() => undefined);
  if (found === undefined) return { kind: 'gone' };
  if (found.isSymbolicLink()) return { kind: 'refused', reason: 'it is a symbolic link' };
  return { kind: 'there', path: place };
}
