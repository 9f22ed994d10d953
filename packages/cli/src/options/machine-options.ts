import { type AgentOptions, detectGpuIds } from '@trainyard/agent';
import { TrainyardError } from '@trainyard/protocol';
import type { Command } from 'commander';
import { agentQueue } from '../agent-queue.ts';
import { readDuration } from './duration-option.ts';
import { type GpuChoice, gpuChoice } from './gpu-choice.ts';
import { addJournalOptions, type JournalOptions, journalLimits } from './journal-options.ts';
import { keyValue, wholeNumber } from './option-values.ts';

/** Options of the commands that run an agent for this machine: what it takes, and how it looks after it. */
export interface MachineOptions extends JournalOptions {
  readonly slots?: number;
  readonly gpus?: GpuChoice;
  readonly telemetry?: string;
  readonly queue?: readonly string[];
  readonly label?: Readonly<Record<string, string>>;
}

export function addMachineOptions(command: Command): Command {
  return addJournalOptions(command)
    .option(
      '--slots <n>',
      'jobs that run at the same time; default: one per core, at least 2',
      wholeNumber('slots', 1),
    )
    .option(
      '--gpus <n|ids|auto>',
      'GPUs that jobs may ask for: how many, their ids, or those that the driver lists; default auto',
      gpuChoice,
    )
    .option(
      '--telemetry <duration>',
      'how often the machine is looked at, for the metrics under system/; at least 1s, 0 for never; default 10s',
    )
    .option(
      '--queue <queue...>',
      'queues to take jobs from, one that has slots of its own as NAME:SLOTS; default: default',
    )
    .option('--label <key=value>', 'label; may be repeated', keyValue('label'));
}

/** What these options mean for the agent. @throws TrainyardError USAGE */
export function agentOptionsOf(
  options: MachineOptions,
): Pick<AgentOptions, 'slots' | 'gpus' | 'queues' | 'labels' | 'limits' | 'timing'> {
  const { slots, gpus = 'auto', queue, label, telemetry } = options;
  return {
    slots,
    gpus: gpus === 'auto' ? undefined : gpus,
    queues: queue?.map(agentQueue),
    labels: label,
    limits: journalLimits(options),
    ...(telemetry !== undefined && { timing: { telemetryMs: telemetryMs(telemetry) } }),
  };
}

/** GPUs that were named, else those that the driver lists. */
export function gpusOf(given: AgentOptions['gpus']): Promise<AgentOptions['gpus']> {
  return given === undefined ? detectGpuIds(process.env) : Promise.resolve(given);
}

/** The options of the agent that are given, as they are written. */
export function givenMachineOptions(options: MachineOptions): string[] {
  return NAMES.filter((name) => options[name] !== undefined).map(
    (name) => `--${name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`,
  );
}

function telemetryMs(text: string): number {
  const ms = readDuration('telemetry', text);
  if (ms === 0 || ms >= MIN_TELEMETRY_MS) return ms;
  throw new TrainyardError(
    'USAGE',
    `--telemetry is "${text}"; the shortest time from one look at the machine to the next is ${MIN_TELEMETRY_MS / 1000}s. Write 0 for none.`,
  );
}

/** A look takes some 10 ms of processor time, on a host over SSH more: more of them would disturb the jobs. */
const MIN_TELEMETRY_MS = 1000;

const NAMES = [
  'slots',
  'gpus',
  'queue',
  'label',
  'telemetry',
  'logLimit',
  'bufferLimit',
  'keepAttemptsFor',
  'keepAttempts',
] as const satisfies readonly (keyof MachineOptions)[];
