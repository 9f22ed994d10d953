import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Agent, createAgent } from '@trainyard/agent';
import { createClient } from '@trainyard/client';
import { type RunningServer, startServer } from '@trainyard/server';
import type { Browser, BrowserContext, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { buildPages } from '../../packages/web/src/testing/build-pages.ts';
import { findChromium, launchChromium } from '../../packages/web/src/testing/chromium.ts';
import { seriousViolations } from '../../packages/web/src/testing/violations.ts';

const chromium = findChromium();
if ('missing' in chromium) console.warn(`SKIPPED tests/end-to-end/web.test.ts: ${chromium.missing}`);

/** Writes a log line and a metric every 20 ms, until the file `go` exists and 40 steps are done. */
const TRAINING = `
import { appendFileSync, existsSync, writeFileSync } from 'node:fs';
const metrics = process.env.PLATFORM_METRICS_DIR + '/' + process.env.TRAINYARD_RUN_ID + '_metrics.jsonl';
for (let step = 0; step < 40 || !existsSync(process.argv[2]); step += 1) {
  console.log('\\u001b[32mstep ' + step + '\\u001b[0m of the training');
  appendFileSync(metrics, JSON.stringify({ step, timestamp: Date.now() / 1000, loss: 2 / (step + 1), accuracy: 1 - 1 / (step + 1) }) + '\\n');
  await new Promise((resolve) => setTimeout(resolve, 20));
}
writeFileSync(process.env.TRAINYARD_OUTPUTS, JSON.stringify({ accuracy: 0.97 }));
console.log('the last line');
`;

describe.skipIf('missing' in chromium)('the web pages', { timeout: 90_000 }, () => {
  const dir = mkdtempSync(join(tmpdir(), 'trainyard-web-'));
  const webDir = join(dir, 'web');
  const go = join(dir, 'go');
  let server: RunningServer;
  let agent: Agent;
  let browser: Browser;
  let context: BrowserContext;
  let page: Page;
  let faults: string[];

  const client = () => createClient({ url: server.url });
  const start = (port: number) => startServer({ dataDir: join(dir, 'data'), port, webDir });
  const submit = (name: string, stages: readonly Record<string, unknown>[]) =>
    client().submitRun({ definition: { name, stages }, baseDir: dir, fileName: `${name}.yaml` });
  const command = (source: string) => [process.execPath, '--input-type=module', '-e', source];

  beforeAll(async () => {
    await buildPages(webDir);
    writeFileSync(join(dir, 'train.mjs'), TRAINING);
    server = await start(0);
    agent = createAgent({
      url: server.url,
      dataDir: join(dir, 'agent'),
      name: 'box',
      slots: 3,
    });
    await agent.start();
    browser = await launchChromium('path' in chromium ? chromium.path : '');
  }, 120_000);

  afterAll(async () => {
    await browser?.close();
    await agent?.stop();
    await server?.stop();
    rmSync(dir, { recursive: true, force: true });
  }, 60_000);

  beforeEach(async () => {
    rmSync(go, { force: true });
    context = await browser.newContext({ viewport: { width: 1440, height: 900 }, colorScheme: 'light' });
    page = await context.newPage();
    faults = [];
    page.on('pageerror', (error) => faults.push(`page: ${error.message}`));
    page.on('console', (message) => {
      if (message.type() === 'error') faults.push(`console: ${message.text()}`);
    });
    page.on('request', (request) => {
      if (!request.url().startsWith(server.url) && !/^(blob|data):/.test(request.url())) {
        faults.push(`request to ${request.url()}`);
      }
    });
  });

  afterEach(async () => {
    await context.close();
  });

  it('teach the first command while there is no run, and show a new run without a reload', async () => {
    await page.goto(server.url);
    await page.getByText('No runs yet').waitFor();
    await page.getByText(`TRAINYARD_URL=${server.url} trainyard run pipeline.yaml`).waitFor();
    await submit('first', [{ name: 'hello', job: { command: command('console.log("hello")') } }]);
    const row = page.locator('tr', { hasText: 'first' });
    await row.getByText('Completed').waitFor();
    await row.getByText('1 of 1').waitFor();
    expect(faults).toEqual([]);
    expect(await seriousViolations(page)).toEqual([]);
  });

  it('show a run as it trains: statuses, curves and log arrive live', async () => {
    const { id } = await submit('digits', training(go));
    await page.goto(`${server.url}/runs/${id}`);
    await status(page, 'Running').waitFor();
    await page.getByRole('button', { name: 'sweep, Running, 2 stages' }).waitFor();
    await page.getByRole('button', { name: 'report, Pending' }).waitFor();
    await page.locator('[role=log]').getByText('of the training').first().waitFor();
    await page.locator('[data-metric=loss] canvas').waitFor();
    await page.locator('[data-metric=accuracy] canvas').waitFor();
    expect(await seriousViolations(page)).toEqual([]);

    writeFileSync(go, '');
    await status(page, 'Completed').waitFor();
    await page.getByRole('button', { name: 'report, Completed' }).waitFor();
    // What the curves' tables say is what the server has.
    await page.getByRole('button', { name: 'sweep, Completed, 2 stages' }).click();
    await page.locator('[data-metric=loss]').getByRole('button', { name: 'Values' }).click();
    const latest = await client().getLatestMetrics(id, { tree: true });
    const loss = latest.find((metric) => metric.path === 'sweep/small' && metric.key === 'loss')!;
    await page
      .locator('[data-metric=loss] tr', { hasText: 'sweep/small' })
      .getByText(String(loss.step), { exact: true })
      .waitFor();
    expect(faults).toEqual([]);
  });

  it('show a run of a program outside, and say where its log is', async () => {
    const call = async (path: string, body: object) => {
      const headers = { 'content-type': 'application/json' };
      const answer = await fetch(`${server.url}${path}`, {
        ...{ method: 'POST', headers, body: JSON.stringify(body) },
      });
      expect(answer.ok).toBe(true);
      return answer;
    };
    const made = await call('/api/2.0/mlflow/runs/create', { experiment_id: '0', run_name: 'outside' });
    const { run_id } = ((await made.json()) as { run: { info: { run_id: string } } }).run.info;
    const metrics = [{ key: 'loss', value: 0.5, step: 3 }];
    await call(`/api/v1/tracking/runs/${run_id}/log`, { params: { lr: '0.1' }, metrics });
    await call('/api/2.0/mlflow/runs/update', { run_id, status: 'FAILED' });
    await page.goto(`${server.url}/runs/${run_id}`);
    await status(page, 'Failed').waitFor();
    await page.locator('[data-metric=loss]').waitFor();
    await page.locator('[data-pane=log]').getByText('Its program runs outside of Trainyard').waitFor();
    expect(faults).toEqual([]);
  });

  it('keep the selection in the address and move it by keyboard', async () => {
    const { id } = await submit('keys', training(go));
    writeFileSync(go, '');
    await page.goto(`${server.url}/runs/${id}`);
    await status(page, 'Completed').waitFor();
    await page.keyboard.press('j');
    await page.waitForURL(/stage=prepare/);
    await page.keyboard.press('v');
    await page.waitForURL(/view=table/);
    const table = page.getByRole('region', { name: 'Stages of the run' });
    await table.getByRole('rowheader', { name: 'small' }).waitFor();
    await page.keyboard.press('j');
    await page.keyboard.press('j');
    await page.waitForURL(/stage=sweep(%2F|\/)small/);
    await page.reload();
    await page.getByTestId('inspector').getByRole('heading', { name: 'small' }).waitFor();
    await page.getByTestId('inspector').getByText('0.97', { exact: true }).waitFor();
    await page.keyboard.press('Escape');
    await page.waitForURL((url) => !url.search.includes('stage='));
    await page.keyboard.press('?');
    await page.getByRole('dialog', { name: 'Keyboard' }).waitFor();
    expect(await seriousViolations(page)).toEqual([]);
    expect(faults).toEqual([]);
  });

  it('go on without a gap after the server was away', async () => {
    const { id } = await submit('restart', training(go));
    await page.goto(`${server.url}/runs/${id}?stage=sweep/small&tab=log`);
    await page.locator('[data-live=live]').waitFor();
    await page.locator('[role=log]').getByText('of the training').first().waitFor();
    const port = Number(new URL(server.url).port);
    await server.stop();
    await page.locator('[data-live=reconnecting], [data-live=stale]').waitFor();
    server = await start(port);
    await page.locator('[data-live=live]').waitFor();
    writeFileSync(go, '');
    await status(page, 'Completed').waitFor();
    await page.locator('[role=log]').getByText('the last line').waitFor();
    const stage = (await client().getTree(id)).children[1]!.children[0]!;
    const log = await client().readLog(stage.id);
    const lines = new TextDecoder().decode(log.bytes).split('\n').length - 1;
    await page.getByText(`${lines} lines, `).waitFor();
  });

  it('cancel a run after a question', async () => {
    const { id } = await submit('long', [{ name: 'wait', job: { command: ['sleep', '600'], grace: 500 } }]);
    await page.goto(`${server.url}/runs/${id}`);
    await page.getByRole('button', { name: 'wait, Running' }).waitFor();
    await page.getByRole('button', { name: 'Cancel run' }).click();
    const dialog = page.getByRole('dialog', { name: 'Cancel long?' });
    expect(await seriousViolations(page)).toEqual([]);
    await dialog.getByRole('button', { name: 'Keep it running' }).click();
    await dialog.waitFor({ state: 'detached' });
    await page.getByRole('button', { name: 'Cancel run' }).click();
    await dialog.getByLabel('Reason (optional)').fill('enough seen');
    await dialog.getByRole('button', { name: 'Cancel this run' }).click();
    await dialog.getByText('Cancel was accepted').waitFor();
    await dialog.getByRole('button', { name: 'Close' }).last().click();
    await status(page, 'Cancelled').waitFor();
    expect(faults).toEqual([]);
  });

  it('tell what failed, where, and what was not run because of it', async () => {
    const { id } = await submit('broken', [
      { name: 'bad', job: { command: command('console.error("no such data"); process.exit(3)') } },
      { name: 'after', dependsOn: ['bad'], job: { command: ['true'] } },
    ]);
    await page.goto(`${server.url}/runs/${id}`);
    await status(page, 'Failed').waitFor();
    await page.getByRole('button', { name: 'after, Skipped' }).waitFor();
    await page.getByRole('button', { name: 'Go to that stage' }).click();
    const inspector = page.getByTestId('inspector');
    await inspector.getByRole('alert').getByText('exit code 3').waitFor();
    await inspector.getByRole('button', { name: 'Show the end of the log' }).click();
    await page.waitForURL(/tab=log/);
    await page.locator('[role=log]').getByText('no such data').waitFor();
    expect(faults).toEqual([]);
  });

  it('download the log as the process wrote it', async () => {
    const lines = 'for (let i = 0; i < 60000; i += 1) console.log("line " + i + " " + "x".repeat(60));';
    const { id } = await submit('chatty', [{ name: 'talk', job: { command: command(lines) } }]);
    await page.goto(`${server.url}/runs/${id}?stage=talk&tab=log`);
    await status(page, 'Completed').waitFor();
    await page.locator('[role=log]').getByText('line 59999 ').waitFor();
    const [download] = await Promise.all([
      page.waitForEvent('download'),
      page.getByRole('button', { name: 'Download' }).click(),
    ]);
    const text = readFileSync(await download.path(), 'utf8');
    expect(text.split('\n').length - 1).toBe(60_000);
    expect(download.suggestedFilename()).toBe('talk.log');
    // Older lines come when one scrolls up to them, until the first one is there.
    const log = page.locator('[role=log]');
    await log.focus();
    const firstLines = async () => {
      await page.keyboard.press('Home');
      return log.getByText(/^line 0 /).count();
    };
    await expect.poll(firstLines, { timeout: 30_000 }).toBe(1);
    await page.getByText('60000 lines, ').waitFor();
    expect(faults).toEqual([]);
  });

  it('have real pages for agents, for addresses that lead nowhere and for small and dark screens', async () => {
    await page.goto(`${server.url}/agents`);
    await page.getByRole('rowheader', { name: 'box' }).waitFor();
    await page.getByText('Online').waitFor();
    expect(await seriousViolations(page)).toEqual([]);
    await page.goto(`${server.url}/nowhere/at/all`);
    await page.getByText('There is no page at this address').waitFor();
    await page.goto(`${server.url}/runs/run_00000000000000000000000000`);
    await page.getByText('There is no run with this id').waitFor();

    const { items } = await client().listRuns({ name: 'digits' });
    await page.emulateMedia({ colorScheme: 'dark' });
    await page.setViewportSize({ width: 360, height: 740 });
    for (const path of ['/', `/runs/${items[0]!.id}`]) {
      await page.goto(server.url + path);
      await page.getByText('digits').first().waitFor();
      await page.locator('[data-live=live]').waitFor();
      expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(360);
      expect(await page.evaluate('document.documentElement.dataset.theme')).toBe('dark');
      expect(await seriousViolations(page)).toEqual([]);
    }
  });
});

/** A pipeline with a nested sweep of two trainings that end once the file `go` exists. */
function training(go: string): Record<string, unknown>[] {
  const train = { job: { command: [process.execPath, 'train.mjs', go] } };
  return [
    { name: 'prepare', job: { command: ['true'] } },
    {
      name: 'sweep',
      dependsOn: ['prepare'],
      pipeline: {
        stages: [
          { name: 'small', ...train },
          { name: 'large', ...train },
        ],
      },
    },
    { name: 'report', dependsOn: ['sweep'], job: { command: ['true'] } },
  ];
}

function status(page: Page, word: string) {
  return page.getByTestId('run-status').getByText(word, { exact: true });
}
