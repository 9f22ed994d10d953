import type { FindingInfo, Run } from '@trainyard/protocol';
import { useNow } from '../design/clock.ts';
import { formatRelative } from '../design/format.ts';
import { Section } from '../design/section.tsx';
import { texts } from '../texts.ts';
import { useFindings } from './run-parts.ts';

/** What rules have found in the metrics of the run and of those below it, open ones first. */
export function FindingsList({ run }: { run: Run }) {
  const { data } = useFindings(run);
  const nowMs = useNow(data !== undefined && data.items.length > 0);
  if (data === undefined || data.items.length === 0) return null;
  const open = data.items.filter(({ closedAt }) => closedAt === null);
  const over = data.items.filter(({ closedAt }) => closedAt !== null);
  return (
    <Section title={texts.findings.title}>
      <ul className="flex flex-col gap-1.5" data-testid="findings">
        {[...open, ...over].map((finding) => (
          <Finding key={finding.id} finding={finding} within={run} nowMs={nowMs} />
        ))}
      </ul>
    </Section>
  );
}

/** Colours of statuses that mean about the same. */
const COLOUR = { critical: 'failed', high: 'failed', medium: 'waiting', low: 'pending' } as const;

function Finding({ finding, within, nowMs }: { finding: FindingInfo; within: Run; nowMs: number }) {
  const { severity, rule, path, message, closedAt, openedAt, action } = finding;
  const colour = closedAt === null ? COLOUR[severity] : 'pending';
  const state =
    closedAt === null
      ? texts.findings.since(formatRelative(Date.parse(openedAt), nowMs))
      : texts.findings.over(formatRelative(Date.parse(closedAt), nowMs));
  return (
    <li className={`st-${colour} rounded-md border-l-3 border-(--st) bg-sunken px-3 py-1.5`}>
      <p className="text-[12px] font-semibold text-(--st)">
        {texts.findings.severity[severity]}: {texts.findings.rule[rule]}
      </p>
      <p>{message}</p>
      <p className="text-[12px] text-muted">
        {path !== within.path && `${path} · `}
        {state}
        {action === 'stop' && ` · ${texts.findings.stopped}`}
      </p>
    </li>
  );
}
