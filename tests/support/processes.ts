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
