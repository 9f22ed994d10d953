import { TrainyardError } from '@trainyard/protocol';

/** Reads `[user@]host[:port]`; an IPv6 address stands in brackets. @throws TrainyardError USAGE */
export function parseHostAddress(text: string): { host: string; user?: string; port?: number } {
  const match = /^(?:([^@\s]+)@)?(\[[0-9A-Fa-f:.%]+\]|[^@:\s[\]]+)(?::(\d{1,5}))?$/.exec(text);
  if (match === null) {
    throw new TrainyardError('USAGE', `"${text}" is no address; write [user@]host[:port].`);
  }
  const [, user, host = '', port] = match;
  return {
    host: host.replace(/^\[|\]$/g, ''),
    ...(user === undefined ? {} : { user }),
    ...(port === undefined ? {} : { port: Number(port) }),
  };
}
