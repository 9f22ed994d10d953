import type { ReactNode, Ref } from 'react';

/** A part of the page that scrolls by itself: named, and reachable by keyboard so that it can be scrolled. */
export function ScrollRegion(props: {
  label: string;
  className?: string;
  scrollRef?: Ref<HTMLElement>;
  testId?: string;
  children: ReactNode;
}) {
  const { label, className = '', scrollRef, testId, children } = props;
  return (
    <section
      ref={scrollRef}
      aria-label={label}
      // biome-ignore lint/a11y/noNoninteractiveTabindex: without it the keyboard cannot scroll the region.
      tabIndex={0}
      data-testid={testId}
      className={`-outline-offset-2 ${className}`}
    >
      {children}
    </section>
  );
}
