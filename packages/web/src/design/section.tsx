import type { ReactNode } from 'react';

/** A titled part of a pane. */
export function Section({ title, children }: { title: string; children: ReactNode }) {
  return (
    <section>
      <h3 className="mb-1.5 text-[12px] font-semibold text-muted">{title}</h3>
      {children}
    </section>
  );
}
