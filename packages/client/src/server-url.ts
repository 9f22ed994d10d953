import { TrainyardError } from '@trainyard/protocol';

/**
 * Checks what is given as the address of a server.
 * @throws TrainyardError USAGE for what no request can be sent to
 */
export function checkServerUrl(text: string): void {
  const why = faultOf(text);
  if (why === undefined) return;
  const message = `The address of the server ${why}; it must be like http://train.example:7070.`;
  throw new TrainyardError('USAGE', message);
}

function faultOf(text: string): string | undefined {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  // First: what it holds must not be written anywhere.
  if (url !== undefined && (url.username !== '' || url.password !== ''))
    return 'holds a user name or password; a token is given by TRAINYARD_TOKEN';
  if (url === undefined) return `is "${text}", which is no address`;
  if (url.protocol !== 'http:' && url.protocol !== 'https:')
    return `is "${text}", which does not begin with http:// or https://`;
  if (url.search !== '' || url.hash !== '') return `is "${text}", which has more than host, port and path`;
  return undefined;
}
