/** A job as squeue shows it. */
export interface SlurmRow {
  readonly jobId: string;
  /** Our attempt, or an array of several. */
  readonly name: string;
  /** Index in its array; `undefined` for a job that is no task of one. */
  readonly task: string | undefined;
  readonly state: string;
  readonly reason: string;
  /** Where it runs or ran; empty before. */
  readonly nodes: string;
}

/** Of squeue: what `parseRows` reads. */
export const ROW_FORMAT = '%A|%j|%T|%N|%K|%r';

/** Reads lines in the format above; other lines are left out. */
export function parseRows(text: string): SlurmRow[] {
  return text.split('\n').flatMap((line) => {
    const [jobId = '', name = '', state = '', nodes = '', index = '', ...reason] = line.split('|');
    if (!/^\d+$/.test(jobId) || state === '') return [];
    const task = /^\d+$/.test(index) ? index : undefined;
    return [{ jobId, name, task, state, nodes, reason: reason.join('|') }];
  });
}

/** A task of an array, as which an attempt was handed over. */
export interface ArrayPlace {
  readonly array: string;
  readonly task: string;
}

/** Reads lines `array index`. */
export function parsePlaces(text: string): ArrayPlace[] {
  return text.split('\n').flatMap((line) => {
    const [array = '', task = ''] = line.split(' ');
    return array !== '' && /^\d+$/.test(task) ? [{ array, task }] : [];
  });
}

/** Of the rows of many attempts those of one. */
export function rowsOf(
  rows: readonly SlurmRow[],
  attemptId: string,
  places: readonly ArrayPlace[],
): SlurmRow[] {
  return rows.filter(
    ({ name, task }) =>
      name === attemptId || places.some((place) => place.array === name && place.task === task),
  );
}

/** States of jobs that will not change any more. All others, also ones that a later Slurm adds, go on. */
const OVER: ReadonlySet<string> = new Set([
  ...['BOOT_FAIL', 'CANCELLED', 'COMPLETED', 'DEADLINE', 'FAILED'],
  ...['NODE_FAIL', 'OUT_OF_MEMORY', 'PREEMPTED', 'REVOKED', 'TIMEOUT'],
]);

export function isOver(row: SlurmRow): boolean {
  return OVER.has(row.state);
}

/** Of the jobs of one attempt the one that counts: one that goes on, or the newest. */
export function rowThatCounts(rows: readonly SlurmRow[]): SlurmRow | undefined {
  const newest = rows.toSorted((a, b) => Number(b.jobId) - Number(a.jobId));
  return newest.find((row) => !isOver(row)) ?? newest[0];
}

/** True when words of a command of Slurm say that it got no answer, or that it should be asked again. */
export function isTransient(stderr: string): boolean {
  return TRANSIENT.test(stderr);
}

const TRANSIENT =
  /unable to contact|socket timed out|zero bytes|communication|connect(ion)? (failure|refused|timed out|reset)|temporarily|try again|in maintenance|backup controller|not responding|munge|authenticat|protocol/i;
