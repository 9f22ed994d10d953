import { isIP } from 'node:net';
import {
  type AddressGuard,
  AddressRefused,
  guardedLookup,
  type PrivateHosts,
  refusePrivateLiteral,
} from '@trainyard/datasets';
import { TrainyardError, WEBHOOK_LIMITS } from '@trainyard/protocol';

/** Reads the address of a webhook. @throws TrainyardError INVALID_REQUEST */
export function readTarget(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || (url.protocol !== 'http:' && url.protocol !== 'https:') || url.hostname === '') {
    throw invalid('is no http or https address');
  }
  if (url.username !== '' || url.password !== '') {
    throw invalid(
      'holds a user name or password; addresses are shown, so receivers must check the signature',
    );
  }
  if (url.hash !== '') throw invalid('has a part after #, which is never sent');
  if (url.href.length > WEBHOOK_LIMITS.urlLength)
    throw invalid(`is longer than ${WEBHOOK_LIMITS.urlLength} characters`);
  return url;
}

function invalid(problem: string): TrainyardError {
  return new TrainyardError('INVALID_REQUEST', `The webhook's url ${problem}.`);
}

/** Who may be sent to; a refusal names the option that allows more. */
export function targetGuard(privateHosts: PrivateHosts): AddressGuard {
  const howToAllow = (hostname: string): string =>
    `start the server with --allow-private-webhooks ${hostname} if it shall be reached`;
  return { privateHosts, howToAllow };
}

/**
 * Why no message will be sent to an address, by the rule that sending keeps to; null when it may be reached, or
 * when its name leads nowhere now. What a name leads to is looked at again for each message.
 */
export async function whyNotSent(
  url: URL,
  allowed: PrivateHosts,
  resolve?: AddressGuard['resolve'],
): Promise<string | null> {
  const guard = { ...targetGuard(allowed), resolve };
  const lookup = guardedLookup(guard);
  try {
    refusePrivateLiteral(url, guard);
    if (isIP(url.hostname.replace(/^\[|\]$/g, '')) === 0) {
      await new Promise<void>((done, fail) => {
        lookup(url.hostname, { all: true }, (error) => (error === null ? done() : fail(error)));
        setTimeout(done, MAX_LOOKUP_MS).unref();
      });
    }
    return null;
  } catch (error) {
    return error instanceof AddressRefused ? error.message : null;
  }
}

/** Longer than this nobody who adds a webhook waits for a name. */
const MAX_LOOKUP_MS = 2000;
