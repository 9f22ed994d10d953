import { useEffect, useState } from 'react';
import { texts } from '../texts.ts';
import { Icon } from './icons.tsx';

/** Copies a text and says so for two seconds. */
export function CopyButton({ text, label, word }: { text: string; label: string; word?: string }) {
  const [copied, setCopied] = useState(false);
  useEffect(() => {
    if (!copied) return;
    const timer = setTimeout(() => setCopied(false), 2000);
    return () => clearTimeout(timer);
  }, [copied]);
  return (
    <button
      type="button"
      className={`btn btn-quiet ${word === undefined ? 'btn-icon' : ''}`}
      aria-label={copied ? texts.common.copied : label}
      title={copied ? texts.common.copied : label}
      onClick={(event) => {
        event.stopPropagation();
        void copyText(text).then(setCopied);
      }}
    >
      <Icon name={copied ? 'check' : 'copy'} size={14} />
      {word}
    </button>
  );
}

async function copyText(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return copyBySelection(text);
  }
}

/** Pages on plain HTTP beyond loopback have no clipboard API. */
function copyBySelection(text: string): boolean {
  const area = document.createElement('textarea');
  area.value = text;
  area.className = 'sr-only';
  const host = document.querySelector('dialog[open]') ?? document.body;
  host.append(area);
  area.select();
  const done = document.execCommand('copy');
  area.remove();
  return done;
}
