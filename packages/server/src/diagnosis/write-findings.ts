import type { DiagnosisRule } from '@trainyard/protocol';
import { insertFacts } from '../attempts/claim.ts';
import { stopAttempt } from '../attempts/stop-attempt.ts';
import type { LiveBus } from '../live/live-bus.ts';
import type { Database } from '../store/database.ts';
import {
  closeFinding,
  countFindings,
  type DiagnosedAttempt,
  MAX_FINDINGS_OF_ATTEMPT,
  type OpenFinding,
  openFinding,
  updateFindings,
} from '../store/findings.ts';

/** What is to be stored of a finding. */
export type FindingWrite =
  | ({ readonly change: 'opened' | 'worsened' } & OpenFinding)
  | ({ readonly change: 'closed'; readonly rule: DiagnosisRule; readonly key: string } & Partial<
      Pick<OpenFinding, 'message' | 'evidence'>
    >);

/** Stores findings together with the facts that make events of them. What is stored already changes nothing. */
export async function writeFindings(
  { kysely }: Database,
  bus: LiveBus,
  of: DiagnosedAttempt,
  writes: readonly FindingWrite[],
): Promise<void> {
  const nowMs = Date.now();
  let hasStopped = false;
  await kysely.transaction().execute(async (trx) => {
    let room = MAX_FINDINGS_OF_ATTEMPT - (await countFindings(trx, of));
    const facts: { root_id: string; event: unknown }[] = [];
    const tell = (change: string, data: Record<string, unknown>): void => {
      const event = {
        kind: 'finding',
        node: of.node,
        at: nowMs,
        change,
        data: { attempt: of.attempt, ...data },
      };
      facts.push({ root_id: of.rootId, event });
    };
    for (const write of writes) {
      const { rule, key } = write;
      if (write.change === 'closed') {
        const finding = await closeFinding(trx, of.attemptId, write, nowMs);
        if (finding !== undefined) tell('closed', { finding, rule, key });
      } else if (room > 0) {
        const stored = await openFinding(trx, of, write, nowMs);
        if (stored === undefined) continue;
        if (stored.isNew) room -= 1;
        const { severity, action, message } = write;
        if (action === 'stop') {
          await stopAttempt(trx, of.attemptId, { code: 'diagnosis', message });
          hasStopped = true;
        }
        tell(stored.isNew ? 'opened' : 'worsened', {
          finding: stored.id,
          rule,
          key,
          severity,
          action,
          message,
        });
      }
    }
    await insertFacts(trx, facts);
  });
  bus.emit('inbox');
  if (hasStopped) bus.emit('work');
}

/** What is to be said of findings that are open, in place of what was said before. */
export interface FindingNews {
  readonly attemptId: string;
  readonly news: readonly Pick<OpenFinding, 'rule' | 'key' | 'message' | 'evidence'>[];
}

/** Findings that are written in one statement. */
const MAX_AT_ONCE = 500;

/** Brings what is stored of open findings up to date. No events: nothing has begun, got worse or ended. */
export async function writeNews({ kysely }: Database, all: readonly FindingNews[]): Promise<void> {
  const rows = all.flatMap(({ attemptId, news }) => news.map((each) => ({ attemptId, ...each })));
  for (let at = 0; at < rows.length; at += MAX_AT_ONCE)
    await updateFindings(kysely, rows.slice(at, at + MAX_AT_ONCE));
}
