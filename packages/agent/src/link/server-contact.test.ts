import { expect, test } from 'vitest';
import { Backoff } from './backoff.ts';
import { ServerContact } from './server-contact.ts';

const LONG_MS = 3_600_000;

test('who waits for a server that is away goes on when another call was answered', async () => {
  const contact = new ServerContact();
  const backoff = new Backoff({ firstMs: LONG_MS, maxMs: LONG_MS, contact });
  contact.note(false);
  const waits = [1, 2, 3].map(() => backoff.wait(new AbortController().signal));
  contact.note(false);
  contact.note(true);
  await Promise.all(waits);
});

test('a server that becomes away ends no wait, and what the server asked for is waited', async () => {
  const contact = new ServerContact();
  const { signal } = new AbortController();
  const startedAtMs = performance.now();
  const first = contact.backWithin(LONG_MS, signal);
  const isFirstOver = first.then(() => true);
  contact.note(false);
  expect(await Promise.race([isFirstOver, new Promise((resolve) => setImmediate(resolve))])).toBeUndefined();
  const asked = new Backoff({ firstMs: LONG_MS, maxMs: LONG_MS, contact }).wait(signal, 300);
  contact.note(true);
  await first;
  // However often it is back meanwhile: only after that time this ends the wait.
  const coming = setInterval(() => {
    contact.note(false);
    contact.note(true);
  }, 5);
  await asked.finally(() => clearInterval(coming));
  expect(performance.now() - startedAtMs).toBeGreaterThanOrEqual(299);
});

test('tells at once that a call found the server away', async () => {
  const contact = new ServerContact();
  const { signal } = new AbortController();
  expect(await contact.lostWithin(1, signal)).toBe(false);
  const lost = contact.lostWithin(LONG_MS, signal);
  contact.note(false);
  expect(await lost).toBe(true);
});

test('a wait ends with its signal', async () => {
  const stop = new AbortController();
  const wait = new ServerContact().backWithin(LONG_MS, stop.signal);
  stop.abort(new Error('stopped'));
  await expect(wait).rejects.toThrow('stopped');
});
