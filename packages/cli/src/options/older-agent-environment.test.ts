import { describe, expect, it } from 'vitest';
import { olderAgentSettings } from './older-agent-environment.ts';

describe('the environment of the older agent', () => {
  it('counts only with BACKEND_URL, and not beside TRAINYARD_URL', () => {
    const env = { API_KEY: 'wak_x', PORT: '8000', MAX_CONCURRENT_JOBS: '2' };
    expect(olderAgentSettings(env)).toEqual({ notes: [] });
    expect(olderAgentSettings({ ...env, BACKEND_URL: 'http://b', TRAINYARD_URL: 'http://t' })).toEqual({
      notes: [],
    });
    expect(
      olderAgentSettings({ ...env, BACKEND_URL: 'http://b', AGENT_ID: 'agent_1', HOST: '127.0.0.1' }),
    ).toEqual({
      url: 'http://b',
      token: 'wak_x',
      name: 'agent_1',
      slots: 2,
      apiHost: '127.0.0.1',
      apiPort: 8000,
      notes: [],
    });
    expect(olderAgentSettings({ BACKEND_URL: 'http://b' })).toEqual({ url: 'http://b', slots: 1, notes: [] });
  });

  it('is told what it does not do any more, and what is there instead', () => {
    const names = [
      'POLL_ENABLED',
      'POLL_INTERVAL_SECONDS',
      'MODELS_DIR',
      'DATASETS_DIR',
      'CHECKPOINTS_DIR',
      'LOGS_DIR',
    ];
    const env = Object.fromEntries(names.map((name) => [name, 'x']));
    const { notes } = olderAgentSettings({ ...env, BACKEND_URL: 'http://b' });
    expect(notes.map((note) => note.split(' ')[0])).toEqual(names);
  });

  it('refuses what is no number by its name', () => {
    expect(() => olderAgentSettings({ BACKEND_URL: 'http://b', MAX_CONCURRENT_JOBS: 'many' })).toThrow(
      /MAX_CONCURRENT_JOBS .*"many"/,
    );
  });
});
