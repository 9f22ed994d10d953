import type { AttemptFiles } from '@trainyard/protocol';
import { type ControlFiles, parseControlAnswer } from '../control-files.ts';
import { RemoteFiles } from '../transport/remote-files.ts';
import type { HostLink } from './host-link.ts';

/** The files of pauses on a host. A host that is away is waited for. */
export function remoteControlFiles(
  link: HostLink,
  { control, controlAnswer }: Pick<AttemptFiles, 'control' | 'controlAnswer'>,
): ControlFiles {
  const files = new RemoteFiles({
    name: link.transport.name,
    run: (call) => link.persistently(call, call.signal === undefined ? {} : { signal: call.signal }),
    close: async () => {},
  });
  return {
    pollMs: POLL_MS,
    write: (word, signal) => files.write(control, Buffer.from(`${word}\n`), { signal }),
    async answer(signal) {
      const content = await files.readFrom(controlAnswer, 0, MAX_ANSWER_BYTES, { signal });
      return content === undefined ? undefined : parseControlAnswer(content.toString('utf8'));
    },
  };
}

/** Each look is a call to the host. */
const POLL_MS = 200;
const MAX_ANSWER_BYTES = 16 * 1024;
