import { shownHost } from '@trainyard/agent';
import { EXIT, TrainyardError } from '@trainyard/protocol';
import type { CliContext } from '../cli-context.ts';
import { hostNamed } from './hosts.ts';

export interface SetHostOptions {
  /** In seconds; 0: no limit. */
  readonly unwatchedFor?: number;
}

/** Changes what can be changed while jobs run on a host; the agents of the data directory notice it by themselves. */
export async function setHostCommand(
  context: CliContext,
  name: string,
  { unwatchedFor }: SetHostOptions,
): Promise<number> {
  if (unwatchedFor === undefined) {
    throw new TrainyardError('USAGE', 'Nothing to change is given; for example: --unwatched-for 6h, or off.');
  }
  const { file, config } = await hostNamed(context, name);
  const { unwatchedForSeconds: _, ...others } = config;
  const changed = unwatchedFor === 0 ? others : { ...others, unwatchedForSeconds: unwatchedFor };
  await file.write({ ...(await file.read()), [name]: changed });
  context.out(context.json ? `${JSON.stringify({ name, ...shownHost(changed) })}\n` : `${name} changed\n`);
  return EXIT.ok;
}
