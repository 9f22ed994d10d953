import { isMetricStream, type StreamName } from '@trainyard/protocol';

/** Why bytes of a stream are missing, or what else a reader of it has to know. */
export type NoteReason =
  | { readonly kind: 'waiting_limit'; readonly limitBytes: number }
  | { readonly kind: 'refused'; readonly message: string }
  | { readonly kind: 'not_kept' }
  | { readonly kind: 'log_limit'; readonly limitBytes: number };

/**
 * The text that stands in a stream where bytes are missing. Metrics are lines of JSON: there nothing is
 * put but the end of a line that was cut.
 */
export function gapNote(stream: StreamName, atLineBegin: boolean, bytes: number, reason: NoteReason): string {
  const lineEnd = atLineBegin ? '' : '\n';
  if (isMetricStream(stream)) return lineEnd;
  return `${lineEnd}[trainyard] ${bytes.toLocaleString('en')} bytes are missing here: ${whyOf(reason)}\n`;
}

/** Put into a log when its limit is reached. */
export function capNote(atLineBegin: boolean, limitBytes: number): string {
  return `${atLineBegin ? '' : '\n'}[trainyard] the log has reached its limit of ${sizeText(limitBytes)}: what follows is left out, except for the last lines\n`;
}

/** Put into a log while the disk under it is full. */
export function diskFullNote(atLineBegin: boolean, directory: string): string {
  return `${atLineBegin ? '' : '\n'}[trainyard] the disk of ${directory} is full: output may be missing from here on\n`;
}

function whyOf(reason: NoteReason): string {
  switch (reason.kind) {
    case 'waiting_limit':
      return `while the server was away more than ${sizeText(reason.limitBytes)} had to wait on the disk of the agent`;
    case 'refused':
      return `the server refused them (${reason.message})`;
    case 'not_kept':
      return 'the server asked for them again, but the agent keeps them no longer';
    case 'log_limit':
      return `the limit of ${sizeText(reason.limitBytes)} for this log was reached`;
  }
}

/** For people: 1 GiB, 64 MiB, 100 bytes. */
export function sizeText(bytes: number): string {
  const units = ['bytes', 'KiB', 'MiB', 'GiB', 'TiB'];
  let unit = 0;
  let amount = bytes;
  while (amount >= 1024 && unit < units.length - 1) {
    amount /= 1024;
    unit += 1;
  }
  return `${Number(amount.toFixed(1))} ${units[unit]}`;
}
