import {
  type ControlFileNames,
  type ControlFiles,
  MAX_PARAM_ANSWER_BYTES,
  parseControlAnswer,
  parseParamAnswer,
} from '../control-files.ts';
import { RemoteFiles } from '../transport/remote-files.ts';
import type { HostLink } from './host-link.ts';

/** The files of pauses and changed params on a host. A host that is away is waited for. */
export function remoteControlFiles(
  link: HostLink,
  { control, controlAnswer, paramUpdate, paramAnswer }: ControlFileNames,
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
    writeParams: (update, signal) =>
      files.write(paramUpdate, Buffer.from(`${JSON.stringify(update)}\n`), { signal }),
    async paramAnswer(signal) {
      const content = await files.readFrom(paramAnswer, 0, MAX_PARAM_ANSWER_BYTES, { signal });
      return content === undefined ? undefined : parseParamAnswer(content.toString('utf8'));
    },
  };
}

/** Each look is a call to the host. */
const POLL_MS = 200;
const MAX_ANSWER_BYTES = 16 * 1024;
