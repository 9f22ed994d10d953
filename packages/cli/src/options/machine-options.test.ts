import { Command } from 'commander';
import { describe, expect, it } from 'vitest';
import {
  addMachineOptions,
  agentOptionsOf,
  givenMachineOptions,
  type MachineOptions,
} from './machine-options.ts';

const read = (line: string): MachineOptions =>
  addMachineOptions(new Command('agent').exitOverride().configureOutput({ writeErr: () => undefined }))
    .parse(line.split(' ').filter(Boolean), { from: 'user' })
    .opts();

describe('options of an agent', () => {
  it.each([
    ['--telemetry 1ms', /--telemetry is "1ms"; the shortest .* is 1s/],
    ['--telemetry 0.9', /--telemetry is "0.9"; the shortest .* is 1s/],
    ['--telemetry often', /--telemetry "often" is not a duration/],
    ['--gpus some', /--gpus is "some"/],
    ['--queue a:0', /--queue is "a:0"/],
    ['--label zone', /write --label key=value/],
  ])('%s is refused', (line, message) => {
    expect(() => agentOptionsOf(read(line))).toThrow(message);
  });

  it('say what the agent gets', () => {
    const options = read('--gpus 2 --telemetry 0 --queue a --queue b:3 --label zone=lab');
    expect(agentOptionsOf(options)).toMatchObject({
      gpus: 2,
      timing: { telemetryMs: 0 },
      queues: ['a', { name: 'b', slots: 3 }],
      labels: { zone: 'lab' },
    });
    expect(agentOptionsOf(read('--telemetry 1s')).timing).toEqual({ telemetryMs: 1000 });
  });

  it('are named as they were written', () => {
    expect(givenMachineOptions(read('--gpus 1 --keep-attempts 5'))).toEqual(['--gpus', '--keep-attempts']);
    expect(givenMachineOptions(read(''))).toEqual([]);
  });
});
