import type { JsonValue } from '../definition/index.ts';
import { MAX_DURATION_MS } from '../duration.ts';
import { type FieldReader, ownValue, show } from './field-reader.ts';
import { httpPath } from './http-task.ts';
import { literalJson, literalText } from './literal-text.ts';
import { type DocumentPath, STAND_IN_JOB, type StageInput } from './older-form.ts';

const MAX_RETRIES = 99;
const PRIORITIES = { min: -1, max: 2 } as const;

/** `exec_params` of a Shell or Script that say how it is run; all others are params of the stage. */
const JOB_PARAMS: readonly string[] = ['args', 'env', 'cwd', 'working_dir'];

/** What tasks of every kind have: priority, time limit and retries. */
export function taskCommon(
  fields: FieldReader,
  isDag: boolean,
): Pick<StageInput, 'priority' | 'timeout' | 'retry'> {
  const timeoutMs = fields.integer('timeout_ms', { min: 0, max: MAX_DURATION_MS }, 0);
  const retries = fields.integer('retry_count', { min: 0, max: MAX_RETRIES }, 0);
  const delayMs = fields.integer('retry_delay_ms', { min: 0, max: MAX_DURATION_MS }, 1000);
  const factor = fields.flag('retry_exp_backoff', true) ? 2 : 1;
  if (isDag && retries > 0) {
    const message = 'a Dag cannot be retried as a whole; put "retry_count" on the tasks inside it';
    fields.refuse('UNSUPPORTED_RETRY', 'retry_count', message);
  }
  // The older system let the delays grow without a cap, so ours is the longest duration there is.
  const backoff = { backoff: `${delayMs}ms`, factor, maxBackoff: `${MAX_DURATION_MS}ms` };
  return {
    priority: fields.integer('priority', PRIORITIES, 0),
    ...(timeoutMs === 0 ? {} : { timeout: `${timeoutMs}ms` }),
    ...(isDag || retries === 0 ? {} : { retry: { attempts: retries + 1, ...backoff } }),
  };
}

/** The job of a Shell or Script task: a text for the shell, or a program with its arguments. */
export function taskJob(fields: FieldReader, type: string): Pick<StageInput, 'job' | 'params'> {
  const given = fields.object('exec_params') ?? {};
  const command = fields.text('exec_command');
  if (command === undefined || command.trim() === '') {
    if (command !== undefined || fields.value('exec_command') === undefined) {
      const message = `a ${type} needs "exec_command", the text that the shell runs`;
      fields.refuse('MISSING_KEY', 'exec_command', message);
    }
    return { job: STAND_IN_JOB };
  }
  refuseInterpreter(fields, command);
  const env = ownValue(given, 'env');
  const workingDir = ownValue(given, workingDirKey(given));
  const queue = fields.text('queue');
  const job: StageInput['job'] = {
    command: commandOf(command, ownValue(given, 'args'), type),
    ...(env === undefined ? {} : { env: literalJson(env) }),
    ...(workingDir === undefined ? {} : { workingDir: literalJson(workingDir) }),
    ...(queue === undefined ? {} : { queue }),
  };
  const others = Object.entries(given).filter(([key]) => !JOB_PARAMS.includes(key));
  const params = Object.fromEntries(others.map(([key, value]) => [key, literalJson(value)]));
  // The schema of a definition judges what is in here; it knows what an environment is.
  return { job, params };
}

/** With `args` a program is executed as it is; without, the shell reads the text. */
function commandOf(command: string, args: JsonValue | undefined, type: string): JsonValue {
  if (args === undefined) return literalText(command);
  const list = Array.isArray(args) ? args : [args];
  // A Shell's text stays one for the shell, which finds its arguments in "$@".
  const program = type === 'Shell' ? ['sh', '-c', literalText(command), 'sh'] : [literalText(command)];
  return [...program, ...list.map(literalJson)];
}

/** `sh` would read the text of another interpreter as its own and do something else. */
function refuseInterpreter(fields: FieldReader, command: string): void {
  const line = /^#!([^\n]*)/.exec(command)?.[1]?.trim();
  if (line === undefined || /^(\/usr)?\/bin\/(env )?sh( |$)/.test(line)) return;
  const message = `a script for ${show(line)} must be in a file; give the command that starts it`;
  fields.refuse('UNSUPPORTED_TASK', 'exec_command', message);
}

function workingDirKey(execParams: JsonValue | undefined): string {
  return ownValue(execParams, 'cwd') === undefined ? 'working_dir' : 'cwd';
}

const FIELD_PATHS: Readonly<Record<string, DocumentPath>> = {
  dependsOn: ['deps'],
  params: ['exec_params'],
  timeout: ['timeout_ms'],
};

/** Path of a value of a task, from that task, for its path in a stage. */
export function taskStagePath([key, ...rest]: DocumentPath, task: JsonValue | undefined): DocumentPath {
  if (key === undefined) return [];
  if (key === 'name') return [ownValue(task, 'id') === undefined ? 'name' : 'id'];
  if (key === 'retry') return [rest[0] === 'backoff' ? 'retry_delay_ms' : 'retry_count'];
  if (key === 'pipeline') return ['exec_params'];
  if (key === 'job') return jobPath(rest, task);
  if (key === 'http' || key === 'function') return httpPath(key, rest, task);
  return [...(FIELD_PATHS[key] ?? [key]), ...rest];
}

function jobPath([key, ...rest]: DocumentPath, task: JsonValue | undefined): DocumentPath {
  const execParams = ownValue(task, 'exec_params');
  if (key === 'env') return ['exec_params', 'env', ...rest];
  if (key === 'workingDir') return ['exec_params', workingDirKey(execParams)];
  if (key === 'queue') return ['queue'];
  if (key !== 'command') return [];
  const args = ownValue(execParams, 'args');
  const index = Array.isArray(args) && typeof rest[0] === 'number' ? rest[0] - leadingWords(task) : -1;
  return index < 0 ? ['exec_command'] : ['exec_params', 'args', index];
}

/** Words of a command before the task's own arguments, see `commandOf`. */
function leadingWords(task: JsonValue | undefined): number {
  return String(ownValue(task, 'exec_type')).toLowerCase() === 'shell' ? 4 : 1;
}
