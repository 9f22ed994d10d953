import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createClient } from '@trainyard/client';
import { type RunningServer, startServer } from '@trainyard/server';
import type { Browser, BrowserContext, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { buildPages } from '../../packages/web/src/testing/build-pages.ts';
import { findChromium, launchChromium } from '../../packages/web/src/testing/chromium.ts';
import { seriousViolations } from '../../packages/web/src/testing/violations.ts';

const chromium = findChromium();
if ('missing' in chromium) console.warn(`SKIPPED tests/end-to-end/web-approval.test.ts: ${chromium.missing}`);

const REVIEW = `
name: release
stages:
  - name: review
    approval:
      message: Ship it to everybody?
      approvers: [ada]
      timeout: 24h
      form:
        threshold: { type: number, default: 0.9, description: Least accuracy in production }
        channel: { type: string, choices: [beta, stable] }
  - { name: ship, dependsOn: [review], triggerRule: all_success, approval: { message: Really? } }
`;

describe.skipIf('missing' in chromium)('an approval on the page', { timeout: 90_000 }, () => {
  const dir = mkdtempSync(join(tmpdir(), 'trainyard-web-approval-'));
  const webDir = join(dir, 'web');
  let server: RunningServer;
  let browser: Browser;
  let context: BrowserContext;
  let page: Page;
  let faults: string[];
  const client = () => createClient({ url: server.url });
  const review = async (id: string) =>
    (await client().getTree(id)).children.find(({ name }) => name === 'review')!;

  beforeAll(async () => {
    await buildPages(webDir);
    server = await startServer({ dataDir: join(dir, 'data'), port: 0, webDir });
    browser = await launchChromium('path' in chromium ? chromium.path : '');
  }, 120_000);
  afterAll(async () => {
    await browser?.close();
    await server?.stop();
    rmSync(dir, { recursive: true, force: true });
  }, 60_000);
  beforeEach(async () => {
    context = await browser.newContext({ viewport: { width: 1440, height: 900 }, colorScheme: 'light' });
    page = await context.newPage();
    faults = [];
    page.on('pageerror', (error) => faults.push(error.message));
  });
  afterEach(() => context.close());

  it('is told apart, asks with a form that the keyboard can fill, and shows who decided', async () => {
    const { id } = await client().submitRun({ source: REVIEW });
    await page.goto(`${server.url}/runs/${id}`);
    await page.getByText('A stage waits for a person').waitFor();
    await page.getByRole('button', { name: 'review, Waits for a person' }).waitFor();
    await page.getByRole('button', { name: 'Decide review' }).click();
    const inspector = page.getByTestId('inspector');
    await inspector.getByText('Ship it to everybody?').waitFor();
    await inspector.getByText('Decided by ada. Without a decision it is rejected').waitFor();
    expect(await inspector.getByLabel('threshold').inputValue()).toBe('0.9');
    await inspector.getByText('Least accuracy in production').waitFor();
    expect(await seriousViolations(page)).toEqual([]);

    await inspector.getByRole('button', { name: 'Approve' }).click();
    await inspector.getByRole('alert').getByText('field "channel" (string) has no default').waitFor();
    expect((await review(id)).status).toBe('waiting');

    // From the first field on everything is reached and answered by keys alone.
    await inspector.getByLabel('threshold').focus();
    await page.keyboard.press('ControlOrMeta+A');
    await page.keyboard.type('0.75');
    await page.keyboard.press('Tab');
    await page.keyboard.type('stable');
    await page.keyboard.press('Tab');
    await page.keyboard.type('goes well');
    await page.keyboard.press('Tab');
    if (await inspector.getByRole('button', { name: 'Copy', exact: true }).isVisible()) {
      await page.keyboard.press('Tab');
    }
    await page.keyboard.press('Tab');
    await page.keyboard.press('Enter');
    await inspector.getByRole('status').getByText('Approved by open server').waitFor();
    await inspector.getByText('goes well').first().waitFor();
    expect((await review(id)).outputs).toMatchObject({
      threshold: 0.75,
      channel: 'stable',
      decidedBy: 'open server',
      comment: 'goes well',
    });
    await page.getByRole('button', { name: 'review, Completed' }).waitFor();
    await page.getByRole('button', { name: 'ship, Waits for a person' }).waitFor();
    await page.keyboard.press('v');
    const table = page.getByRole('region', { name: 'Stages of the run' });
    await table.getByText('Waits for a person').waitFor();
    expect(await seriousViolations(page)).toEqual([]);
    expect(faults).toEqual([]);
  });

  it('is rejected with a reason, and shows what somebody else decided meanwhile', async () => {
    const { id } = await client().submitRun({ source: REVIEW });
    await page.goto(`${server.url}/runs/${id}?stage=review`);
    const inspector = page.getByTestId('inspector');
    await inspector.getByLabel('Comment or reason (optional)').fill('accuracy too low');
    await inspector.getByRole('button', { name: 'Reject' }).click();
    await inspector.getByRole('status').getByText('Rejected by open server').waitFor();
    await inspector.getByRole('alert').getByText('rejected by open server: accuracy too low').waitFor();
    expect(await seriousViolations(page)).toEqual([]);

    const other = await client().submitRun({ source: REVIEW });
    await page.goto(`${server.url}/runs/${other.id}?stage=review`);
    await inspector.getByRole('button', { name: 'Approve' }).waitFor();
    await client().rejectRun((await review(other.id)).id, { reason: 'by another one' });
    await inspector.getByRole('status').getByText('Rejected by open server').waitFor();
    expect(await inspector.getByRole('button', { name: 'Approve' }).count()).toBe(0);
    expect(faults).toEqual([]);
  });
});
