import { Command, EmptyState, LoadError, Loading } from '../design/feedback.tsx';
import { Icon } from '../design/icons.tsx';
import { usePageTitle } from '../design/page-title.ts';
import { ScrollRegion } from '../design/scroll-region.tsx';
import { RelativeTime } from '../design/time.tsx';
import { useAgents } from '../runs/run-parts.ts';
import { texts } from '../texts.ts';

/** Machines that run jobs: who is there, how busy, since when not. */
export function AgentsPage() {
  const { data, error, refetch } = useAgents();
  usePageTitle(texts.agents.title);
  const columns = texts.agents.columns;
  return (
    <div className="mx-auto w-full max-w-[1200px] p-4 max-sm:p-3">
      <h1 className="mb-3 text-[17px] font-semibold">{texts.agents.title}</h1>
      {error !== null && <LoadError error={error} onRetry={() => void refetch()} />}
      {data === undefined && error === null && <Loading />}
      {data?.length === 0 && (
        <div className="card">
          <EmptyState title={texts.agents.empty} hint={texts.agents.emptyHint}>
            <Command text={`TRAINYARD_URL=${location.origin} trainyard agent`} />
          </EmptyState>
        </div>
      )}
      {data !== undefined && data.length > 0 && (
        <ScrollRegion className="card overflow-x-auto" label={texts.agents.title}>
          <table className="table">
            <thead>
              <tr>
                <th scope="col">{columns.name}</th>
                <th scope="col">{columns.state}</th>
                <th scope="col">{columns.slots}</th>
                <th scope="col" className="text-right">
                  {columns.gpus}
                </th>
                <th scope="col">{columns.queues}</th>
                <th scope="col">{columns.version}</th>
                <th scope="col">{columns.seen}</th>
              </tr>
            </thead>
            <tbody>
              {data.map((agent) => (
                <tr key={agent.id} className={agent.online ? '' : 'text-muted'}>
                  <th scope="row">
                    <span className="font-medium">{agent.name}</span>
                    {agent.hostname !== agent.name && (
                      <span className="ml-2 font-normal text-muted">{agent.hostname}</span>
                    )}
                  </th>
                  <td>
                    <span
                      className={`${agent.online ? 'st-completed' : 'st-cancelled'} inline-flex items-center gap-1.5 font-medium text-(--st)`}
                    >
                      <Icon name={agent.online ? 'completed' : 'cancelled'} />
                      {agent.online ? texts.agents.online : texts.agents.offline}
                    </span>
                  </td>
                  <td>
                    <SlotMeter busy={agent.busySlots} total={agent.slots} />
                  </td>
                  <td className="text-right">{agent.gpus ?? texts.agents.anyGpus}</td>
                  <td>{agent.queues.join(', ')}</td>
                  <td>{agent.version}</td>
                  <td className="whitespace-nowrap">
                    <RelativeTime at={agent.lastSeenAt} />
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </ScrollRegion>
      )}
    </div>
  );
}

/** Busy slots of all, as a bar with numbers. */
export function SlotMeter({ busy, total }: { busy: number; total: number }) {
  return (
    <span className="inline-flex items-center gap-2 whitespace-nowrap">
      <span aria-hidden="true" className="h-1.5 w-16 overflow-hidden rounded-full bg-line">
        <span
          className="block h-full rounded-full bg-accent"
          style={{ width: `${total === 0 ? 0 : (busy / total) * 100}%` }}
        />
      </span>
      {busy}/{total}
    </span>
  );
}
