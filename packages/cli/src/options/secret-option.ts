import { TrainyardError } from '@trainyard/protocol';

/** Secrets come by the environment: options are seen by others on the machine. @throws TrainyardError USAGE */
export function secretFromEnv(name: string): string {
  const secret = process.env[name];
  if (secret !== undefined && secret !== '') return secret;
  throw new TrainyardError('USAGE', `--secret-env: the variable ${name} is not set or empty.`);
}
