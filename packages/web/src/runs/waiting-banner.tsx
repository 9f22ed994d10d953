import type { StatusCounts } from '@trainyard/protocol';
import { useMemo } from 'react';
import { Icon } from '../design/icons.tsx';
import { texts } from '../texts.ts';
import { waitsForPerson } from './approval-form.ts';
import type { RunModel } from './run-model.ts';

const MAX_SHOWN = 3;

/** Says above the panes which stages wait for a person, and leads to them. */
export function WaitingBanner(props: {
  model: RunModel;
  counts: StatusCounts;
  onSelect: (id: string) => void;
}) {
  const { model, counts, onSelect } = props;
  // Most runs wait for nobody, and then their stages are not looked at.
  const mayWait = (counts.waiting ?? 0) > 0;
  const waiting = useMemo(
    () => (mayWait ? model.order.map((id) => model.runs.get(id)!).filter(waitsForPerson) : []),
    [mayWait, model],
  );
  if (waiting.length === 0) return null;
  return (
    <div
      role="status"
      className="st-waiting flex flex-wrap items-center gap-2 border-b border-line bg-sunken px-4 py-1.5 max-sm:px-3"
    >
      <span className="inline-flex items-center gap-1.5 font-medium text-(--st)">
        <Icon name="person" />
        {texts.approval.banner(waiting.length)}
      </span>
      {waiting.slice(0, MAX_SHOWN).map((run) => (
        <button key={run.id} type="button" className="btn" onClick={() => onSelect(run.id)}>
          {texts.approval.decide(run.path)}
        </button>
      ))}
    </div>
  );
}
