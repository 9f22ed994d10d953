/** A failure that the person who started the job can mend; shown as its message alone, without a stack. */
export class JobError extends Error {
  override readonly name = 'JobError';
}
