import { appendFile, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { AgentClient, StreamAppend } from '@trainyard/client';
import type { StreamName } from '@trainyard/protocol';
import { expect, test } from 'vitest';
import { ServerContact } from '../link/server-contact.ts';
import { eventually } from '../testing/eventually.ts';
import { silentLog } from '../testing/silent-log.ts';
import { AppendGate } from './append-gate.ts';
import { FileSource } from './file-source.ts';
import { DEFAULT_JOURNAL_LIMITS } from './journal-limits.ts';
import { START_OF_STREAM } from './stream-layout.ts';
import { StreamReporter } from './stream-reporter.ts';

test('telemetry of all jobs does not go out in the moment it is written, but at once when they end', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'trainyard-unhurried-'));
  const sent: StreamAppend[] = [];
  const client: Pick<AgentClient, 'append'> = {
    append: async (append) => {
      sent.push(append);
      return { size: append.offset + append.bytes.length };
    },
  };
  const gate = new AppendGate(4);
  const start = async (stream: StreamName, at: number) => {
    const path = join(dir, `${stream}${at}`);
    await writeFile(path, '{"step":0}\n');
    const reporter = new StreamReporter({
      ...{ client, gate, stream, epoch: 1, token: 'none', attemptId: `att_${at}`, log: silentLog },
      ...{ contact: new ServerContact(), source: new FileSource(path), position: START_OF_STREAM },
      ...{ limits: DEFAULT_JOURNAL_LIMITS, flushDeadlineMs: 60_000, savePosition: async () => undefined },
      onFenced: () => undefined,
    });
    return { path, stream, reporter, done: reporter.run(new AbortController().signal) };
  };
  const jobs = await Promise.all(Array.from({ length: 20 }, (_, at) => start('system', at)));
  const program = await start('metrics', 20);
  const all = [...jobs, program];
  const of = (stream: StreamName) => sent.filter((append) => append.stream === stream).length;
  try {
    await eventually('the first lines', () => sent.length === all.length);
    // Their looks after that have found nothing by the time the program's next line is there.
    for (let line = 1; line <= 5; line += 1) {
      for (const { path } of all) await appendFile(path, `{"step":${line}}\n`);
      await eventually('a line of the program', () => of('metrics') === 1 + line);
    }
    expect(of('system')).toBeLessThan(2 * jobs.length);
    for (const { reporter } of all) reporter.finish();
    await Promise.all(all.map(({ done }) => done));
    const whole = Buffer.from([0, 1, 2, 3, 4, 5].map((step) => `{"step":${step}}\n`).join(''));
    for (const { reporter } of all) expect(reporter.undeliveredBytes).toBe(0);
    for (let at = 0; at < all.length; at += 1) {
      const bytes = sent.filter(({ attemptId }) => attemptId === `att_${at}`).map((append) => append.bytes);
      expect(Buffer.concat(bytes).equals(whole)).toBe(true);
    }
  } finally {
    for (const { reporter } of all) reporter.finish();
    await rm(dir, { recursive: true, force: true });
  }
});
