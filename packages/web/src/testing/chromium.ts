import { existsSync } from 'node:fs';
import { type Browser, chromium } from 'playwright-core';

const PLACES = [
  process.env['TRAINYARD_CHROMIUM'],
  '/usr/bin/chromium',
  '/usr/bin/chromium-browser',
  '/usr/bin/google-chrome',
];

/** Where Chromium is, or why the tests that need it cannot run. On CI it must be there. */
export function findChromium(): { path: string } | { missing: string } {
  const path = PLACES.find((place) => place !== undefined && existsSync(place));
  if (path !== undefined) return { path };
  const missing = 'no Chromium: apt-get install chromium, or set TRAINYARD_CHROMIUM';
  if (process.env['CI'] !== undefined) throw new Error(missing);
  return { missing };
}

/** A browser that talks to nobody but the page's own server. */
export function launchChromium(executablePath: string): Promise<Browser> {
  return chromium.launch({
    executablePath,
    args: [
      '--no-sandbox',
      '--headless',
      '--disable-gpu',
      '--disable-background-networking',
      '--disable-quic',
      '--no-first-run',
      '--disable-component-update',
      '--disable-sync',
    ],
  });
}
