import { TransportError } from './transport.ts';

/** What the ssh client's last words mean. Pure. */
export function sshFault(address: string, stderr: string): TransportError {
  const said = stderr.replaceAll('\r', '').trim().split('\n').slice(-MAX_LINES).join('\n');
  const shown = said === '' ? '' : `: ${said}`;
  if (HOST_KEY.test(stderr)) {
    return new TransportError(
      'host_key',
      `the host key of ${address} is not the one that is known, or none is known${shown}`,
    );
  }
  if (AUTH.test(stderr)) return new TransportError('auth', `${address} refused the login${shown}`);
  return new TransportError('unreachable', `${address} cannot be reached${shown}`);
}

/** True when the server has no room for another session on this connection; none was begun then. */
export function isSessionRefused(stderr: string): boolean {
  return /session request failed|session open refused by peer/i.test(stderr);
}

const HOST_KEY = /host key verification failed|REMOTE HOST IDENTIFICATION HAS CHANGED|host key is known for/i;
const AUTH = /permission denied|too many authentication failures|no supported authentication methods/i;
const MAX_LINES = 6;
