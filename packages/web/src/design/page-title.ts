import { useEffect } from 'react';
import { texts } from '../texts.ts';

/** Title of the browser's tab: what the page shows, then the product. */
export function usePageTitle(title: string): void {
  useEffect(() => {
    document.title = `${title} · ${texts.product}`;
  }, [title]);
}
