import { CopyButton } from '../design/copy.tsx';
import { LoadError, Loading } from '../design/feedback.tsx';
import { ScrollRegion } from '../design/scroll-region.tsx';
import { texts } from '../texts.ts';
import { useDefinition } from './run-parts.ts';

/** The pipeline file as it was submitted. */
export function SourcePanel({ rootId }: { rootId: string }) {
  const { data, error, refetch } = useDefinition(rootId);
  if (error !== null) return <LoadError error={error} onRetry={() => void refetch()} />;
  if (data === undefined) return <Loading />;
  const text = data.source ?? JSON.stringify(data.definition, null, 2);
  return (
    <div className="flex h-full w-full min-w-0 flex-col">
      <div className="flex items-center gap-2 border-b border-line px-3 py-1">
        <span className="code truncate">{data.fileName ?? texts.source.none}</span>
        <span className="ml-auto">
          <CopyButton text={text} label={texts.common.copy} word={texts.common.copy} />
        </span>
      </div>
      <ScrollRegion label={texts.source.label} className="min-h-0 flex-1 overflow-auto">
        <pre className="code p-3">{text}</pre>
      </ScrollRegion>
    </div>
  );
}
