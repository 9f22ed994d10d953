import { useSyncExternalStore } from 'react';

export const THEME_CHOICES = ['system', 'light', 'dark'] as const;
export type ThemeChoice = (typeof THEME_CHOICES)[number];

const KEY = 'trainyard.theme';
const listeners = new Set<() => void>();
const systemDark = matchMedia('(prefers-color-scheme: dark)');
systemDark.addEventListener('change', apply);

/** The user's choice, and what is shown because of it. public/theme.js applies the same before first paint. */
export function useTheme(): {
  choice: ThemeChoice;
  shown: 'light' | 'dark';
  choose: (next: ThemeChoice) => void;
} {
  const choice = useSyncExternalStore(subscribe, readChoice);
  const shown = useSyncExternalStore(subscribe, readShown);
  return { choice, shown, choose };
}

function choose(next: ThemeChoice): void {
  try {
    localStorage.setItem(KEY, next);
  } catch {
    // Without storage the choice holds for this page only.
  }
  apply(next);
}

function apply(next: unknown): void {
  const choice = typeof next === 'string' ? next : readChoice();
  const dark = choice === 'dark' || (choice !== 'light' && systemDark.matches);
  document.documentElement.dataset['theme'] = dark ? 'dark' : 'light';
  for (const listener of listeners) listener();
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

function readChoice(): ThemeChoice {
  try {
    const stored = localStorage.getItem(KEY);
    return THEME_CHOICES.find((choice) => choice === stored) ?? 'system';
  } catch {
    return 'system';
  }
}

function readShown(): 'light' | 'dark' {
  return document.documentElement.dataset['theme'] === 'dark' ? 'dark' : 'light';
}
