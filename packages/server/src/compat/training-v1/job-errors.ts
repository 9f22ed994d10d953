import type { Attempt, jobErrors } from '@trainyard/protocol';
import type { z } from 'zod';

type JobError = z.infer<typeof jobErrors>['errors'][number];

/** Lines by which programs usually say that something went wrong; not those that merely count errors. */
const ERROR_LINE = /^(?:\[[^\]]*\]\s*)?(?:\w*(?:Error|Exception)\b.*:|(?:ERROR|CRITICAL|FATAL)\b)/;
const MAX_LINES = 50;
const MAX_LENGTH = 2000;

/** What went wrong in the attempts of a job, and what the end of its log says of it. Pure. */
export function jobErrorsOf(attempts: readonly Attempt[], logEnd: readonly string[]): JobError[] {
  const failed = attempts.flatMap(({ number, error, endedAt }): JobError[] =>
    error === null
      ? []
      : [
          {
            attempt: number,
            code: error.code,
            message: error.message,
            occurred_at: endedAt,
            source: 'attempt',
          },
        ],
  );
  const newest = attempts.at(-1)?.number ?? 0;
  const lines = logEnd.filter((line) => ERROR_LINE.test(line)).slice(-MAX_LINES);
  const logged = lines.map(
    (line): JobError => ({
      attempt: newest,
      code: 'log',
      message: line.slice(0, MAX_LENGTH),
      occurred_at: null,
      source: 'log',
    }),
  );
  return [...failed, ...logged];
}
