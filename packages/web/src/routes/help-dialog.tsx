import { RUN_STATUS_TABLE, RUN_STATUSES } from '@trainyard/protocol';
import { Dialog } from '../design/dialog.tsx';
import { Status } from '../design/status.tsx';
import { texts } from '../texts.ts';

/** Shortcuts, and the legend of all statuses with what each means. */
export function HelpDialog({ open, onClose }: { open: boolean; onClose: () => void }) {
  return (
    <Dialog open={open} title={texts.keys.title} onClose={onClose}>
      <dl className="grid grid-cols-[auto_1fr] gap-x-4 gap-y-1.5">
        {texts.keys.list.map(([keys, meaning]) => (
          <div key={keys} className="contents">
            <dt className="text-right">
              {keys.split(' ').map((key) => (
                <kbd key={key} className="kbd ml-1">
                  {key}
                </kbd>
              ))}
            </dt>
            <dd>{meaning}</dd>
          </div>
        ))}
      </dl>
      <h3 className="mt-4 mb-2 font-semibold">{texts.graph.legend}</h3>
      <dl className="grid grid-cols-[auto_1fr] gap-x-4 gap-y-1">
        {RUN_STATUSES.map((status) => (
          <div key={status} className="contents">
            <dt>
              <Status status={status} />
            </dt>
            <dd className="text-muted">{RUN_STATUS_TABLE[status].meaning}</dd>
          </div>
        ))}
      </dl>
    </Dialog>
  );
}
