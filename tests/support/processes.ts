import { readdirSync, readFileSync } from 'node:fs';

/** Processes of this machine whose environment carries the marker of a Trainyard attempt of these runs. */
export function payloadsOf(runIds: readonly string[]): number[] {
  return marked(runIds.map((id) => `TRAINYARD_RUN_ID=${id}`));
}

/** Processes of this machine that have one of these variables, `NAME=value`, in their environment. */
export function marked(variables: readonly string[]): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => {
      const environment = `\0${read(`/proc/${pid}/environ`)}`;
      return variables.some((variable) => environment.includes(`\0${variable}\0`)) && !isZombie(pid);
    });
}

export function isAlive(pid: number): boolean {
  return read(`/proc/${pid}/stat`) !== '' && !isZombie(pid);
}

/** Groups of the kernel (version 2) that agents have made for attempts, beside that of this process. */
export function cgroupsOf(isMeant: (attemptId: string) => boolean): string[] {
  const path = /^0::(\/.*)$/m.exec(read('/proc/self/cgroup'))?.[1];
  const mount = /^\S+ (\S+) cgroup2 /m.exec(read('/proc/self/mounts'))?.[1];
  if (path === undefined || mount === undefined) return [];
  const dir = `${mount}${path === '/' ? '' : path}`;
  return readdirSync(dir)
    .filter((name) => name.startsWith('trainyard_') && isMeant(name.slice('trainyard_'.length)))
    .map((name) => `${dir}/${name}`);
}

/** How many descriptors a process has open; 0 when it is gone. */
export function openDescriptors(pid: number): number {
  try {
    return readdirSync(`/proc/${pid}/fd`).length;
  } catch {
    return 0;
  }
}

function isZombie(pid: number): boolean {
  return / Z /.test(read(`/proc/${pid}/stat`).replace(/^.*\)/, ''));
}

function read(path: string): string {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return '';
  }
}
