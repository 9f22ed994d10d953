import { readdirSync, readFileSync } from 'node:fs';

/** Processes of this machine whose environment carries the marker of a Trainyard attempt of these runs. */
export function payloadsOf(runIds: readonly string[]): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => {
      const environment = read(`/proc/${pid}/environ`);
      return runIds.some((id) => environment.includes(`TRAINYARD_RUN_ID=${id}\0`)) && !isZombie(pid);
    });
}

export function isAlive(pid: number): boolean {
  return read(`/proc/${pid}/stat`) !== '' && !isZombie(pid);
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
