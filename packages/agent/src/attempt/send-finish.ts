import { isOver } from '../link/report-queue.ts';
import type { AttemptRunnerOptions } from './attempt-runner-options.ts';
import { type FinishReport, withoutProducts } from './finish-report.ts';

/** Reports the end of an attempt, at worst without what its program wrote. False: the server wants no report. */
export async function sendFinish(
  report: FinishReport,
  { reports, log }: Pick<AttemptRunnerOptions, 'reports' | 'log'>,
): Promise<boolean> {
  let answer = await reports.send(report);
  if (!answer.ok && !isOver(answer.code)) {
    log.error({ ...answer, attemptId: report.attemptId }, 'the server refused the end of an attempt');
    answer = await reports.send(withoutProducts(report, answer.message));
  }
  return answer.ok;
}
