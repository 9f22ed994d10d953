import { appendFileSync, renameSync, writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import type { AttemptFiles, AttemptSpec } from '@trainyard/protocol';
import { attemptFiles } from '@trainyard/protocol/plain';
import { fillPlaceholders, SECRETS_VARIABLE } from '../attempt/attempt-secrets.ts';
import { writeAtomically } from '../local/write-atomically.ts';
import { secretMask } from './secret-mask.ts';

/** What a program of the agent's own finds: the same directory, environment and rules as any other program. */
export interface BuiltinAttempt {
  readonly spec: AttemptSpec;
  readonly files: AttemptFiles;
  /** Writes a line to the log of the stage, without the values of secrets. */
  log(text: string): void;
  /** Puts `***` where a text has the value of a secret. */
  mask(text: string): string;
  /** Appends a line to one of the JSON line files, such as datasets.jsonl. */
  append(path: string, line: unknown): void;
}

/** Why a stage of a kind of our own failed; becomes the error of its run as it is. */
export class BuiltinFailure extends Error {
  readonly code: string;

  constructor(code: string, message: string, options: { cause?: unknown } = {}) {
    super(message, options);
    this.name = 'BuiltinFailure';
    this.code = code;
  }
}

/** @throws when this process was not started by an agent */
export async function readBuiltinAttempt(env: NodeJS.ProcessEnv): Promise<BuiltinAttempt> {
  const dir = env['TRAINYARD_ATTEMPT_DIR'];
  if (dir === undefined) throw new Error('TRAINYARD_ATTEMPT_DIR is not set: an agent starts this program');
  const files = attemptFiles(dir, env['TRAINYARD_RUN_ID'] ?? '');
  const secrets = takeSecrets(env);
  const mask = secretMask(Object.values(secrets));
  return {
    spec: withSecretInput(JSON.parse(await readFile(files.spec, 'utf8')) as AttemptSpec, secrets),
    files,
    mask,
    // At once: a line must not be lost in a pipe when the process is killed.
    log: (text) => writeFileSync(1, `${mask(text)}\n`),
    append: (path, line) => appendFileSync(path, `${JSON.stringify(line)}\n`),
  };
}

/** By placeholder. Taken out of the environment, so that nothing that this process starts inherits them. */
function takeSecrets(env: NodeJS.ProcessEnv): Record<string, string> {
  const values = env[SECRETS_VARIABLE];
  delete env[SECRETS_VARIABLE];
  return values === undefined ? {} : (JSON.parse(values) as Record<string, string>);
}

function withSecretInput(spec: AttemptSpec, secrets: Readonly<Record<string, string>>): AttemptSpec {
  if (spec.builtin === undefined) return spec;
  const input = fillPlaceholders(spec.builtin.input, secrets) as Record<string, unknown>;
  return { ...spec, builtin: { ...spec.builtin, input } };
}

/** Leaves what the stage hands on. A value that is not a JSON object is put under `value`. */
export async function writeOutputs({ files }: BuiltinAttempt, value: unknown): Promise<void> {
  if (value === undefined) return;
  let text: string | undefined;
  try {
    text = JSON.stringify(isObject(value) ? value : { value });
  } catch (error) {
    throw new BuiltinFailure('invalid_outputs', `what it returned is not JSON: ${messageOf(error)}`);
  }
  await writeAtomically(files.outputs, text);
}

/** Leaves why the stage failed, for the agent. At once: it may be the last that the process does. */
export function writeFailure(
  dir: string,
  failure: { readonly code: string; readonly message: string },
): void {
  const path = attemptFiles(dir, '').failure;
  writeFileSync(`${path}.tmp`, JSON.stringify(failure));
  renameSync(`${path}.tmp`, path);
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function isObject(value: unknown): boolean {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
