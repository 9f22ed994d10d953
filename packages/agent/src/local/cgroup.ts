import { existsSync, readFileSync } from 'node:fs';
import { mkdir, readdir, rmdir, writeFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';

/**
 * A cgroup of version 2 for the processes of one attempt: nothing leaves it, not even with a session of its own.
 * Freezing and killing are core files and need no controller (kernel documentation, "Control Group v2").
 */
export interface Cgroup {
  readonly dir: string;
  /** Resolves when all processes stand still. @throws when they do not in time */
  freeze(): Promise<void>;
  thaw(): Promise<void>;
  /** Sends KILL to all, also to frozen ones; false where the kernel is too old for that (before 5.14). */
  kill(): Promise<boolean>;
  /** False while a live process is in it. */
  isEmpty(): boolean;
  /** How many of them the kernel has ended for lack of memory; `undefined` where nobody counts. */
  oomKills(): number | undefined;
  /** Takes the empty group away. */
  remove(): Promise<void>;
}

/** Makes a group below that of this process; `undefined` where no writable cgroup2 is. */
export async function createCgroup(name: string): Promise<Cgroup | undefined> {
  const parent = ownGroup();
  if (parent === undefined) return undefined;
  const dir = `${parent}/${PREFIX}${name}`;
  await mkdir(dir, { recursive: true }).catch(() => undefined);
  const made = existingCgroup(dir);
  if (made === undefined) await rmdir(dir).catch(() => undefined);
  return made;
}

const PREFIX = 'trainyard_';

/**
 * Takes away groups that an agent which was killed has left beside that of this process: those of the given names,
 * and only where no process is in them.
 */
export async function removeLeftCgroups(isOver: (name: string) => boolean): Promise<void> {
  const parent = ownGroup();
  const entries = parent === undefined ? [] : await readdir(parent).catch(() => []);
  for (const entry of entries) {
    if (!entry.startsWith(PREFIX) || !isOver(entry.slice(PREFIX.length))) continue;
    // The kernel refuses it where a process lives.
    await rmdir(`${parent}/${entry}`).catch(() => undefined);
  }
}

/** A group that was made before, by this agent or an earlier one. */
export function existingCgroup(dir: string): Cgroup | undefined {
  return existsSync(`${dir}/cgroup.freeze`) ? cgroupAt(dir) : undefined;
}

function cgroupAt(dir: string): Cgroup {
  const freezeFile = `${dir}/cgroup.freeze`;
  return {
    dir,
    async freeze() {
      await writeFile(freezeFile, '1');
      const deadline = performance.now() + FREEZE_LIMIT_MS;
      while (!/^frozen 1$/m.test(readOr(`${dir}/cgroup.events`, ''))) {
        if (performance.now() > deadline)
          throw new Error(`not all processes of ${dir} stood still within ${FREEZE_LIMIT_MS} ms`);
        await delay(5);
      }
    },
    async thaw() {
      await writeFile(freezeFile, '0');
    },
    async kill() {
      if (!existsSync(`${dir}/cgroup.kill`)) return false;
      await writeFile(`${dir}/cgroup.kill`, '1');
      return true;
    },
    isEmpty: () => !/^populated 1$/m.test(readOr(`${dir}/cgroup.events`, '')),
    oomKills() {
      const counted = /^oom_kill (\d+)$/m.exec(readOr(`${dir}/memory.events`, ''));
      return counted === null ? undefined : Number(counted[1]);
    },
    async remove() {
      await rmdir(dir).catch(() => undefined);
    },
  };
}

const FREEZE_LIMIT_MS = 5000;

/** Directory of the cgroup2 that this process is in, if there is one with the freezer (since Linux 5.2). */
function ownGroup(): string | undefined {
  if (known === undefined) {
    const path = /^0::(\/.*)$/m.exec(readOr('/proc/self/cgroup', ''))?.[1];
    const mount = /^\S+ (\S+) cgroup2 /m.exec(readOr('/proc/self/mounts', ''))?.[1];
    known = path === undefined || mount === undefined ? null : `${mount}${path === '/' ? '' : path}`;
  }
  return known ?? undefined;
}

let known: string | null | undefined;

function readOr(path: string, otherwise: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return otherwise;
  }
}
