import { lookup as resolveName } from 'node:dns';
import { BlockList, isIP, type LookupFunction } from 'node:net';
import { TrainyardError, WEBHOOK_LIMITS } from '@trainyard/protocol';

/** Hosts that may have private addresses: all of them, or those named (as in the URL, without the port). */
export type PrivateHosts = 'all' | readonly string[];

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

/** Thrown before a connection is made. */
export class TargetRefused extends Error {
  override readonly name = 'TargetRefused';
}

/**
 * A look-up that gives public addresses only. Node connects to exactly what it answers, so a name that
 * resolves to something else a moment later (DNS rebinding) gains nothing.
 */
export function guardedLookup(
  allowed: PrivateHosts,
  resolve: typeof resolveName = resolveName,
): LookupFunction {
  return (hostname, options, callback) => {
    resolve(hostname, { ...options, all: true }, (error, addresses) => {
      if (error !== null) return callback(error, '', 0);
      const usable = mayBePrivate(hostname, allowed)
        ? addresses
        : addresses.filter(({ address }) => isPublicAddress(address));
      const [first] = usable;
      if (first === undefined) return callback(refused(hostname, addresses[0]?.address ?? 'nothing'), '', 0);
      if (options.all === true) callback(null, usable);
      else callback(null, first.address, first.family);
    });
  };
}

/** For addresses that are written as numbers: Node looks those up nowhere. @throws TargetRefused */
export function refusePrivateLiteral({ hostname }: URL, allowed: PrivateHosts): void {
  const address = hostname.replace(/^\[|\]$/g, '');
  if (isIP(address) === 0 || mayBePrivate(hostname, allowed) || isPublicAddress(address)) return;
  throw refused(hostname, address);
}

/**
 * Why no message will be sent to an address, by the rule that sending keeps to; null when it may be reached, or
 * when its name leads nowhere now. What a name leads to is looked at again for each message.
 */
export async function whyNotSent(
  url: URL,
  allowed: PrivateHosts,
  resolve: typeof resolveName = resolveName,
): Promise<string | null> {
  const lookup = guardedLookup(allowed, resolve);
  try {
    refusePrivateLiteral(url, allowed);
    if (isIP(url.hostname.replace(/^\[|\]$/g, '')) === 0) {
      await new Promise<void>((done, fail) => {
        lookup(url.hostname, { all: true }, (error) => (error === null ? done() : fail(error)));
        setTimeout(done, MAX_LOOKUP_MS).unref();
      });
    }
    return null;
  } catch (error) {
    return error instanceof TargetRefused ? error.message : null;
  }
}

/** Longer than this nobody who adds a webhook waits for a name. */
const MAX_LOOKUP_MS = 2000;

function mayBePrivate(hostname: string, allowed: PrivateHosts): boolean {
  const bare = (host: string): string => host.replace(/^\[|\]$/g, '').toLowerCase();
  return allowed === 'all' || allowed.some((host) => bare(host) === bare(hostname));
}

function refused(hostname: string, address: string): TargetRefused {
  return new TargetRefused(
    `${hostname} leads to ${address}, which is no public address; start the server with --allow-private-webhooks ${hostname} if it shall be reached`,
  );
}

/** True for addresses of the public internet, by the special-purpose registries of IANA (RFC 6890). */
export function isPublicAddress(address: string): boolean {
  if (isIP(address) === 4) return !NOT_PUBLIC.check(address, 'ipv4');
  // 2000::/3 is all that is given out; addresses that carry an IPv4 one inside are refused with the rest.
  return GLOBAL_UNICAST.check(address, 'ipv6') && !NOT_PUBLIC.check(address, 'ipv6');
}

const GLOBAL_UNICAST = new BlockList();
GLOBAL_UNICAST.addSubnet('2000::', 3, 'ipv6');

const NOT_PUBLIC = new BlockList();
for (const [network, bits] of [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.0.2.0', 24],
  ['192.88.99.0', 24],
  ['192.168.0.0', 16],
  ['198.18.0.0', 15],
  ['198.51.100.0', 24],
  ['203.0.113.0', 24],
  ['224.0.0.0', 3],
] as const) {
  NOT_PUBLIC.addSubnet(network, bits, 'ipv4');
}
for (const [network, bits] of [
  ['2001::', 23],
  ['2001:db8::', 32],
  ['2002::', 16],
  ['3fff::', 20],
] as const) {
  NOT_PUBLIC.addSubnet(network, bits, 'ipv6');
}
