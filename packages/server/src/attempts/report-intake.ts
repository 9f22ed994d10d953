import type { ReportResult } from '@trainyard/protocol';
import type { LiveBus } from '../live/live-bus.ts';
import type { Orchestrator } from '../orchestrator/orchestrator-options.ts';
import type { Database } from '../store/database.ts';
import { MicroBatcher } from '../store/micro-batcher.ts';
import type { ParsedReport } from './attempt-update.ts';
import type { HandedOut } from './handed-out.ts';
import { takeReports } from './reports.ts';

const REPORTS_PER_TRANSACTION = 1000;

/** Who takes reports in together with what follows from them. */
export type TreeOwner = Pick<Orchestrator, 'takeReport'>;

/**
 * Takes reports. Those that the owner of their tree can take in at once, here, are committed together with
 * what follows; all others are compared with the rows of their attempts, and become facts for whoever owns
 * the tree.
 */
export class ReportIntake {
  readonly #handedOut: HandedOut;
  readonly #owner: TreeOwner | undefined;
  readonly #bus: LiveBus;
  readonly #batcher: MicroBatcher<ParsedReport, ReportResult>;

  constructor(options: {
    readonly database: Database;
    readonly bus: LiveBus;
    readonly handedOut: HandedOut;
    readonly owner: TreeOwner | undefined;
  }) {
    const { database, bus } = options;
    this.#handedOut = options.handedOut;
    this.#owner = options.owner;
    this.#bus = bus;
    this.#batcher = new MicroBatcher({
      maxItems: REPORTS_PER_TRANSACTION,
      write: async (reports) => {
        const { results, hasReleased } = await takeReports(database.keyedPool, reports);
        bus.emit('inbox');
        if (hasReleased) bus.emit('work');
        return results;
      },
    });
  }

  /** One result per report, in their order. */
  async take(reports: readonly ParsedReport[]): Promise<ReportResult[]> {
    const byAttempt = Map.groupBy(reports, ({ attemptId }) => attemptId);
    const results = new Map<ParsedReport, ReportResult>();
    await Promise.all(
      [...byAttempt.values()].map(async (own) => {
        const taken = await this.#takeOwn(own);
        for (const [index, report] of own.entries()) results.set(report, taken[index]!);
      }),
    );
    return reports.map((report) => results.get(report)!);
  }

  /** The reports of one attempt. */
  async #takeOwn(reports: readonly ParsedReport[]): Promise<readonly ReportResult[]> {
    const { attemptId } = reports[0]!;
    if (await this.#takeAtOnce(reports)) return reports.map(() => ({ attemptId, ok: true }));
    return Promise.all(reports.map((report) => this.#batcher.add(report)));
  }

  async #takeAtOnce(reports: readonly ParsedReport[]): Promise<boolean> {
    const { attemptId, token } = reports[0]!;
    const report = this.#owner === undefined ? undefined : this.#handedOut.recognise(reports);
    const isTaken = report !== undefined && (await this.#owner!.takeReport(report));
    if (!isTaken) {
      // What the long way brings is not seen here. Only progress leaves an attempt as it was.
      if (reports.some(({ kind }) => kind !== 'progress')) this.#handedOut.forget(attemptId, token);
    } else if (report.update.ended_at !== undefined) {
      const { isLimited } = this.#handedOut.end(attemptId);
      if (isLimited) this.#bus.emit('work');
    }
    return isTaken;
  }
}
