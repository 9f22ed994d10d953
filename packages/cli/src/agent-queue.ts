import type { AgentQueue } from '@trainyard/agent';
import { TrainyardError } from '@trainyard/protocol';

/** Reads `NAME` or `NAME:SLOTS`. @throws TrainyardError USAGE */
export function agentQueue(text: string): AgentQueue {
  const parts = /^([A-Za-z0-9_][A-Za-z0-9_.-]*)(?::([1-9]\d{0,4}))?$/.exec(text);
  if (parts === null) {
    throw new TrainyardError(
      'USAGE',
      `--queue is "${text}"; give the name of a queue, or NAME:SLOTS for one with slots of its own, such as training:1.`,
    );
  }
  const [, name, slots] = parts;
  return slots === undefined ? name! : { name: name!, slots: Number(slots) };
}
