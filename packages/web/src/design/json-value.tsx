import { useState } from 'react';
import { texts } from '../texts.ts';
import { CopyButton } from './copy.tsx';

const MAX_CHARS = 800;

/** Names and JSON values as a definition list. Long values are cut, with a button to see all. */
export function JsonFields({ value }: { value: Readonly<Record<string, unknown>> }) {
  return (
    <dl className="grid grid-cols-[minmax(80px,auto)_minmax(0,1fr)] gap-x-4 gap-y-1">
      {Object.entries(value).map(([key, item]) => (
        <div key={key} className="contents">
          <dt className="code text-muted">{key}</dt>
          <dd className="min-w-0">
            <JsonText text={typeof item === 'string' ? item : (JSON.stringify(item, null, 1) ?? 'null')} />
          </dd>
        </div>
      ))}
    </dl>
  );
}

/** Any JSON: an object as fields, everything else as text. */
export function JsonValue({ value }: { value: unknown }) {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
    return <JsonFields value={value as Record<string, unknown>} />;
  }
  return <JsonText text={typeof value === 'string' ? value : (JSON.stringify(value, null, 1) ?? 'null')} />;
}

function JsonText({ text }: { text: string }) {
  const [whole, setWhole] = useState(false);
  const cut = text.length > MAX_CHARS && !whole;
  return (
    <>
      <code className="code break-words whitespace-pre-wrap">{cut ? text.slice(0, MAX_CHARS) : text}</code>
      {cut && (
        <span className="inline-flex">
          <button type="button" className="btn btn-quiet" onClick={() => setWhole(true)}>
            {texts.common.showAll}
          </button>
          <CopyButton text={text} label={texts.common.copy} />
        </span>
      )}
    </>
  );
}
