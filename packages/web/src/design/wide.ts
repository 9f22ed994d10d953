import { useSyncExternalStore } from 'react';

const query = matchMedia('(min-width: 1024px) and (min-height: 560px)');

/** Whether the window has room for panes side by side. */
export function useWide(): boolean {
  return useSyncExternalStore(
    (listener) => {
      query.addEventListener('change', listener);
      return () => query.removeEventListener('change', listener);
    },
    () => query.matches,
  );
}
