import type { ApprovalInfo, RunEvent } from '@trainyard/protocol';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { expectError } from '../testing/expect-error.ts';
import { describeDatabases } from '../testing/index.ts';
import { expectStatus, startTestServer, type TestServer } from '../testing/test-server.ts';

const ASK = `
name: ask
stages:
  - name: inner
    pipeline:
      stages:
        - name: review
          approval:
            message: Ship it?
            approvers: [ada, 'scope:admin']
            form: { threshold: { type: number }, note: { type: string, default: '' } }
`;

interface Page {
  readonly items: ApprovalInfo[];
  readonly nextCursor: string | null;
}

let t: TestServer;
afterEach(() => t.end());

/** The run of the one stage that waits. */
async function waitingRun(root: string, token?: string): Promise<string> {
  const options = token === undefined ? {} : { token };
  const { body } = await t.call<Page>(
    'GET',
    `/api/v1/approvals?root=${root}&status=waiting`,
    undefined,
    options,
  );
  return body.items[0]!.runId;
}

describeDatabases('an approval over HTTP', (engine) => {
  beforeEach(async () => {
    t = await startTestServer(engine);
  });

  it('is listed while it waits, decided once, and kept with who decided', async () => {
    const root = await t.submit(ASK);
    const id = await waitingRun(root);
    expectError(await t.call('POST', `/api/v1/runs/${id}/approve`), 'INVALID_PARAMS');
    const inputs = { threshold: '0.8' };
    const approved = await t.call<ApprovalInfo>('POST', `/api/v1/runs/${id}/approve`, {
      inputs,
      comment: 'fine',
    });
    expect(expectStatus(approved, 200)).toMatchObject({
      status: 'approved',
      decidedBy: 'open server',
      comment: 'fine',
      inputs: { threshold: 0.8, note: '' },
    });
    const again = await t.call<ApprovalInfo>('POST', `/api/v1/runs/${id}/approve`, { inputs });
    expect(expectStatus(again, 200)).toEqual(approved.body);
    const other = await t.call('POST', `/api/v1/runs/${id}/approve`, { inputs: { threshold: 0.1 } });
    expect(expectError(other, 'CONFLICT').message).toContain('was approved by open server at 20');
    expectError(await t.call('POST', `/api/v1/runs/${id}/reject`), 'CONFLICT');

    await t.treeWhen(root, (tree) => tree.status === 'completed');
    const { body } = await t.call<ApprovalInfo>('GET', `/api/v1/runs/${id}/approval`);
    expect(body).toEqual(approved.body);
    const waiting = await t.call<Page>('GET', '/api/v1/approvals?status=waiting');
    expect(waiting.body.items).toEqual([]);
    const events = await t.call<{ items: RunEvent[] }>('GET', `/api/v1/runs/${root}/events`);
    expect(events.body.items.filter((event) => event.type.startsWith('approval.'))).toMatchObject([
      { type: 'approval.requested', path: 'inner/review', data: { message: 'Ship it?' } },
      { type: 'approval.decided', data: { decision: 'approved', comment: 'fine' } },
    ]);
  });

  it('is found page by page', async () => {
    for (let index = 0; index < 3; index += 1) await t.submit(ASK);
    const first = await t.call<Page>('GET', '/api/v1/approvals?status=waiting&limit=2');
    expect(first.body.items).toHaveLength(2);
    const rest = await t.call<Page>('GET', `/api/v1/approvals?limit=2&cursor=${first.body.nextCursor}`);
    expect(rest.body.items).toHaveLength(1);
    expect(rest.body.nextCursor).toBeNull();
  });
});

describe('approving', () => {
  beforeEach(async () => {
    t = await startTestServer();
  });

  it('refuses runs that are no approvals, and ones that do not wait yet', async () => {
    const root = await t.submit(`
name: later
stages:
  - { name: job, job: { command: 'true' } }
  - { name: review, dependsOn: [job], approval: { message: Ship it? } }
`);
    const { children } = await t.tree(root);
    const answer = await t.call('POST', `/api/v1/runs/${children[0]!.id}/approve`);
    expect(expectError(answer, 'CONFLICT').message).toContain('is a job, not an approval');
    const early = await t.call('POST', `/api/v1/runs/${children[1]!.id}/reject`);
    expect(expectError(early, 'CONFLICT').message).toContain('is pending and does not wait');
    expectError(await t.call('POST', '/api/v1/runs/run_none/approve'), 'NOT_FOUND');
    expectError(await t.call('GET', `/api/v1/runs/${children[1]!.id}/approval`), 'NOT_FOUND');
    expectError(await t.call('POST', `/api/v1/runs/${root}/approve`, { input: {} }), 'INVALID_REQUEST');
  });

  it('is kept by a re-run, which asks again only for what was rejected', async () => {
    const root = await t.submit(`
name: again
stages:
  - { name: first, approval: { message: First? } }
  - { name: second, dependsOn: [first], approval: { message: Second? } }
`);
    const first = await waitingRun(root);
    await t.call('POST', `/api/v1/runs/${first}/approve`, { comment: 'once is enough' });
    await t.treeWhen(root, ({ children }) => children[1]!.status === 'waiting');
    await t.call('POST', `/api/v1/runs/${await waitingRun(root)}/reject`);
    await t.treeWhen(root, (tree) => tree.status === 'failed');
    const again = await t.call<{ id: string }>('POST', `/api/v1/runs/${root}/retry`, {});
    const tree = await t.treeWhen(again.body.id, ({ children }) => children[1]!.status === 'waiting');
    expect(tree.children[0]).toMatchObject({
      status: 'completed',
      keptFrom: first,
      decision: { decision: 'approved', by: 'open server', comment: 'once is enough' },
    });
    const kept = await t.call<ApprovalInfo>('GET', `/api/v1/runs/${tree.children[0]!.id}/approval`);
    expect(expectStatus(kept, 200)).toMatchObject({ runId: first, comment: 'once is enough' });
    await t.call('POST', `/api/v1/runs/${await waitingRun(again.body.id)}/approve`);
    await t.treeWhen(again.body.id, ({ status }) => status === 'completed');
  });

  it('is for those who are named, by the name of their token or by its scope', async () => {
    const root = await t.submit(ASK);
    const id = await waitingRun(root);
    const tokenOf = async (name: string, scope: string) => {
      const body = { name, scopes: [scope] };
      const as = { token: t.server.adminToken };
      return expectStatus(await t.call<{ token: string }>('POST', '/api/v1/tokens', body, as), 201).token;
    };
    await tokenOf('root', 'admin');
    const [ada, bob, eve] = [
      await tokenOf('ada', 'user'),
      await tokenOf('bob', 'user'),
      await tokenOf('ada', 'viewer'),
    ];
    const inputs = { threshold: 1 };
    const approve = (token: string) => t.call('POST', `/api/v1/runs/${id}/approve`, { inputs }, { token });
    expect(expectError(await approve(bob), 'FORBIDDEN').message).toMatch(
      /is decided by ada, scope:admin or an administrator; this token is of "bob"/,
    );
    // To decide is to write, whatever the name.
    expectError(await approve(eve), 'FORBIDDEN');
    expectError(await t.call('POST', `/api/v1/runs/${id}/approve`, { inputs }), 'UNAUTHENTICATED');
    expect(expectStatus(await approve(ada), 200)).toMatchObject({ decidedBy: 'ada' });
    expect(expectError(await approve(t.server.adminToken), 'CONFLICT').message).toContain('approved by ada');
  });

  it('lets an administrator decide always, under a name that says so where nobody named one', async () => {
    const as = { token: t.server.adminToken };
    await t.call('POST', '/api/v1/tokens', { name: 'root', scopes: ['admin'] }, as);
    await t.call('POST', '/api/v1/tokens', { name: 'someone', scopes: ['user'] }, as);
    const submit = async (source: string) =>
      expectStatus(await t.call<{ id: string }>('POST', '/api/v1/runs', { source }, as), 201).id;
    const byScope = await waitingRun(await submit(ASK), t.server.adminToken);
    const decided = await t.call('POST', `/api/v1/runs/${byScope}/reject`, { reason: 'no' }, as);
    expect(expectStatus(decided, 200)).toMatchObject({ decidedBy: 'local administrator', comment: 'no' });
    const byName = await waitingRun(
      await submit(ASK.replace("[ada, 'scope:admin']", '[ada]')),
      t.server.adminToken,
    );
    const instead = await t.call('POST', `/api/v1/runs/${byName}/reject`, {}, as);
    expect(expectStatus(instead, 200)).toMatchObject({ decidedBy: 'local administrator (as administrator)' });
    // The same again is no other decision.
    expectStatus(await t.call('POST', `/api/v1/runs/${byName}/reject`, {}, as), 200);
  });
});
