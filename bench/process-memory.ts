import { readFileSync } from 'node:fs';

/** Memory of a process in MB. */
export interface ProcessMemory {
  /** All that is mapped and present, with the pages of program files that other processes use, too. */
  readonly rss: number;
  /** The same with each shared page divided by those who share it. */
  readonly pss: number;
  /** What would be free if it ended. */
  readonly own: number;
}

export function memoryOf(pid: number): ProcessMemory {
  const rollup = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8');
  const read = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(rollup)![1]) / 1024;
  return { rss: read('Rss'), pss: read('Pss'), own: read('Private_Clean') + read('Private_Dirty') };
}

/** Looks at a process until `stop`, which gives the most of each. Few looks: each takes the kernel some milliseconds. */
export function watchMemory(pid: number): { stop(): ProcessMemory } {
  let most = memoryOf(pid);
  const look = () => {
    const now = memoryOf(pid);
    most = {
      rss: Math.max(most.rss, now.rss),
      pss: Math.max(most.pss, now.pss),
      own: Math.max(most.own, now.own),
    };
  };
  const timer = setInterval(look, 200);
  return {
    stop() {
      clearInterval(timer);
      look();
      return most;
    },
  };
}

export function memoryText({ rss, pss, own }: ProcessMemory): string {
  return `${Math.round(rss)} MB (PSS ${Math.round(pss)}, own ${Math.round(own)})`;
}
