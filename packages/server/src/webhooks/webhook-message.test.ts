import { EVENT_TYPES, WEBHOOK_EVENTS, WEBHOOK_LIMITS, type WebhookEvent } from '@trainyard/protocol';
import { describe, expect, it } from 'vitest';
import { messageBody, namesOf, storedTypes, wantedName } from './webhook-message.ts';

const finished = (status: string, path = '') => ({ type: 'run.finished', path, data: { status } });

describe('names of events for webhooks', () => {
  it.each([
    [finished('completed'), ['run.completed', 'run.finished']],
    [finished('stopped'), ['run.completed', 'run.finished']],
    [finished('failed'), ['run.failed', 'run.finished']],
    [finished('timed_out'), ['run.failed', 'run.finished']],
    [finished('cancelled'), ['run.cancelled', 'run.finished']],
    [finished('failed', 'train'), ['stage.failed', 'stage.finished']],
    [finished('completed', 'train'), ['stage.finished']],
    [{ type: 'run.skipped', path: 'train', data: { reason: 'upstream_failed' } }, ['stage.finished']],
    [{ type: 'run.started', path: '', data: {} }, ['run.started']],
    [{ type: 'run.started', path: 'train', data: {} }, []],
    [{ type: 'run.created', path: '', data: {} }, ['run.created']],
    [{ type: 'approval.requested', path: 'review', data: {} }, ['approval.requested']],
    [{ type: 'attempt.claimed', path: 'train', data: {} }, []],
  ])('of %o are %o', (event, names) => {
    expect(namesOf(event)).toEqual(names);
  });

  it('are looked for among the stored events that can have them', () => {
    for (const event of Object.keys(WEBHOOK_EVENTS) as WebhookEvent[]) {
      const types = storedTypes([event]);
      expect(types).not.toHaveLength(0);
      const all = Object.keys(EVENT_TYPES).flatMap((type) =>
        ['', 'a'].flatMap((path) =>
          ['completed', 'failed', 'cancelled'].map((status) => ({ type, path, data: { status } })),
        ),
      );
      for (const one of all) if (namesOf(one).includes(event)) expect(types).toContain(one.type);
    }
  });

  it('are chosen as exact as the webhook asked, for its pipeline only', () => {
    const both = { events: ['run.finished', 'run.failed'], pipeline: null };
    expect(wantedName(both, finished('failed'), 'p')).toBe('run.failed');
    expect(wantedName(both, finished('cancelled'), 'p')).toBe('run.finished');
    expect(wantedName(both, finished('failed', 'train'), 'p')).toBeUndefined();
    expect(wantedName({ ...both, pipeline: 'q' }, finished('failed'), 'p')).toBeUndefined();
    expect(wantedName({ ...both, pipeline: 'p' }, finished('failed'), 'p')).toBe('run.failed');
  });
});

describe('the body of a message', () => {
  const event = {
    rootId: 'run_1',
    seq: 3,
    runId: 'run_1',
    path: '',
    type: 'run.finished',
    at: '2026-01-01T00:00:00.000Z',
  };
  const run = {
    id: 'run_1',
    name: 'p',
    status: 'failed',
    reason: null,
    error: { code: 'exit', message: 'm'.repeat(100_000), path: 'train' },
    createdAt: '2026-01-01T00:00:00.000Z',
    startedAt: null,
    endedAt: null,
    stages: { failed: 1 },
  } as const;

  it('stays within its limit', () => {
    const body = messageBody('run.failed', { ...event, data: { error: run.error } }, run);
    expect(Buffer.byteLength(body)).toBeLessThan(WEBHOOK_LIMITS.bodyBytes);
    expect(JSON.parse(body)).toMatchObject({
      type: 'run.failed',
      data: { run: { id: 'run_1' }, event: { data: null } },
    });
  });
});
