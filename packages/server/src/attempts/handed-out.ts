import { hashToken, isTokenOf } from '../auth/secret-token.ts';
import type { AttemptReport } from '../orchestrator/report-desk.ts';
import {
  type AttemptUpdate,
  finishedFact,
  noteEnd,
  noteStart,
  type ParsedReport,
  startedFact,
} from './attempt-update.ts';
import type { HandedAttempt, ToldClaim } from './claim-parts.ts';

/** Attempts that are remembered; beyond that the oldest are forgotten. */
const MAX_REMEMBERED = 100_000;

interface Remembered {
  readonly tokenHash: Buffer;
  readonly epoch: number;
  readonly rootId: string;
  readonly node: number;
  readonly number: number;
  readonly isLimited: boolean;
  /** Its end says more, which is made out with its row. */
  readonly isCached: boolean;
  /** What its tree may not have taken in yet. */
  readonly claim: ToldClaim | undefined;
  status: 'leased' | 'running';
}

/**
 * What this server has handed out and not seen end. It is a guess, since other servers and the lease check
 * change attempts too: whoever writes by it has to compare with the row. Who is not in it is looked up.
 */
export class HandedOut {
  readonly #known = new Map<string, Remembered>();

  note(handed: readonly HandedAttempt[]): void {
    for (const { assignment, node, status, isLimited, claim } of handed) {
      const { attemptId, rootId, number, epoch, cache } = assignment.spec;
      // What a program with a token says of its own end is in the row.
      const isLookedUp = assignment.spec.jobToken === true;
      if ((status !== 'leased' && status !== 'running') || isLookedUp) this.#known.delete(attemptId);
      else
        this.#known.set(attemptId, {
          tokenHash: hashToken(assignment.token),
          epoch,
          rootId,
          node,
          number,
          isLimited,
          isCached: cache !== undefined,
          claim,
          status,
        });
    }
    for (const attemptId of this.#known.keys()) {
      if (this.#known.size <= MAX_REMEMBERED) return;
      this.#known.delete(attemptId);
    }
  }

  /** Only who has the token can make it forget. */
  forget(attemptId: string, token: string): void {
    if (isTokenOf(token, this.#known.get(attemptId)?.tokenHash ?? null)) this.#known.delete(attemptId);
  }

  /** It has ended by its reports. */
  end(attemptId: string): { readonly isLimited: boolean } {
    const isLimited = this.#known.get(attemptId)?.isLimited ?? false;
    this.#known.delete(attemptId);
    return { isLimited };
  }

  /**
   * What the reports of one attempt mean to its tree, if that can be told without looking at the row: none is
   * a repeat, and none brings more than its end. From then on the attempt counts as the reports say.
   */
  recognise(reports: readonly ParsedReport[]): AttemptReport | undefined {
    const { attemptId, token, epoch } = reports[0]!;
    const known = this.#known.get(attemptId);
    if (known === undefined || known.epoch !== epoch || !isTokenOf(token, known.tokenHash)) return undefined;
    const update: AttemptUpdate = {
      id: attemptId,
      expected_status: known.status,
      expected_token_hash: known.tokenHash.toString('hex'),
    };
    const facts: AttemptReport['facts'][number][] = [];
    let { status }: { status: 'leased' | 'running' | 'ended' } = known;
    for (const report of reports) {
      if (report.token !== token || report.epoch !== epoch) return undefined;
      if (report.kind === 'started' && status === 'leased') {
        noteStart(update, report);
        facts.push(startedFact(known, report));
        status = 'running';
      } else if (report.kind === 'finished' && status !== 'ended' && bringsOnlyItsEnd(report, known)) {
        noteEnd(update, report);
        facts.push(finishedFact(known, report));
        status = 'ended';
      } else {
        return undefined;
      }
    }
    if (status !== 'ended') known.status = status;
    const { rootId, node, number, claim } = known;
    return {
      rootId,
      node,
      number,
      claim: update.expected_status === 'leased' ? claim : undefined,
      update,
      facts,
    };
  }
}

function bringsOnlyItsEnd(
  report: Extract<ParsedReport, { kind: 'finished' }>,
  { isCached }: Remembered,
): boolean {
  const { outcome, datasets, checkpoints, checkpoint, failure } = report;
  // What a cancelled one ends as, its row tells.
  return (
    outcome !== 'cancelled' &&
    !isCached &&
    datasets.length === 0 &&
    checkpoints.length === 0 &&
    checkpoint === undefined &&
    failure === undefined
  );
}
