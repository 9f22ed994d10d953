import { useEffect, useRef } from 'react';

/** Handlers by key as `KeyboardEvent.key` names it, or by two keys in a row such as "g r". */
export type KeyMap = Readonly<Record<string, (event: KeyboardEvent) => void>>;

/**
 * Runs page shortcuts. They are off while a text is being typed, while a dialog is open and while a
 * modifier is held, so they never take a key from the browser or from assistive technology.
 */
export function useKeys(map: KeyMap): void {
  const latest = useRef(map);
  useEffect(() => {
    latest.current = map;
  });
  useEffect(() => {
    let before: { key: string; at: number } | undefined;
    const onKeyDown = (event: KeyboardEvent) => {
      if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
      if (isTyping(event.target) || document.querySelector('dialog[open]') !== null) return;
      const pair =
        before !== undefined && event.timeStamp - before.at < 1000 ? `${before.key} ${event.key}` : '';
      before = { key: event.key, at: event.timeStamp };
      const handler = latest.current[pair] ?? latest.current[event.key];
      handler?.(event);
    };
    document.addEventListener('keydown', onKeyDown);
    return () => document.removeEventListener('keydown', onKeyDown);
  }, []);
}

function isTyping(target: EventTarget | null): boolean {
  if (!(target instanceof HTMLElement)) return false;
  return target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName);
}
