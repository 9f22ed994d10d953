import { afterAll, beforeAll, expect, it } from 'vitest';
import { expectStatus, startTestServer, type TestServer } from '../testing/test-server.ts';

let t: TestServer;
beforeAll(async () => {
  t = await startTestServer();
});
afterAll(() => t.end());

interface Agents {
  items: { id: string; outOfService: object[] }[];
}

it('slots out of service are told with a heartbeat, shown, and gone with the next that names none (31)', async () => {
  const agent = await t.agent();
  const slot = { attemptId: 'att_1', gpuIds: ['GPU-a'], reason: 'still alive: 7 (state D)' };
  const beat = async (body: object) =>
    expectStatus(await t.call('POST', `/api/v1/agents/${agent.id}/heartbeat`, { held: [], ...body }), 200);
  const shown = async () =>
    expectStatus(await t.call<Agents>('GET', '/api/v1/agents'), 200).items.find(({ id }) => id === agent.id)!
      .outOfService;
  expect(await shown()).toEqual([]);
  await beat({ outOfService: [slot] });
  expect(await shown()).toEqual([slot]);
  await beat({});
  expect(await shown()).toEqual([]);
});
