import { lookup as resolveName } from 'node:dns';
import { BlockList, isIP, type LookupFunction } from 'node:net';

/** Hosts that may have private addresses: all of them, or those named (as in the URL, without the port). */
export type PrivateHosts = 'all' | readonly string[];

export interface AddressGuard {
  readonly privateHosts: PrivateHosts;
  /** Says how a host is allowed, for the message of a refusal. */
  readonly howToAllow: (hostname: string) => string;
  readonly resolve?: typeof resolveName | undefined;
}

/** Thrown before a connection is made. */
export class AddressRefused extends Error {
  override readonly name = 'AddressRefused';
}

/**
 * A look-up that gives public addresses only. Node connects to exactly what it answers, so a name that
 * resolves to something else a moment later (DNS rebinding) gains nothing.
 */
export function guardedLookup(guard: AddressGuard): LookupFunction {
  const resolve = guard.resolve ?? resolveName;
  return (hostname, options, callback) => {
    resolve(hostname, { ...options, all: true }, (error, addresses) => {
      if (error !== null) return callback(error, '', 0);
      const usable = mayBePrivate(hostname, guard.privateHosts)
        ? addresses
        : addresses.filter(({ address }) => isPublicAddress(address));
      const [first] = usable;
      if (first === undefined) {
        return callback(refused(guard, hostname, addresses[0]?.address ?? 'nothing'), '', 0);
      }
      if (options.all === true) callback(null, usable);
      else callback(null, first.address, first.family);
    });
  };
}

/** For addresses that are written as numbers: Node looks those up nowhere. @throws AddressRefused */
export function refusePrivateLiteral({ hostname }: URL, guard: AddressGuard): void {
  const address = hostname.replace(/^\[|\]$/g, '');
  if (isIP(address) === 0 || mayBePrivate(hostname, guard.privateHosts) || isPublicAddress(address)) return;
  throw refused(guard, hostname, address);
}

function mayBePrivate(hostname: string, allowed: PrivateHosts): boolean {
  const bare = (host: string): string => host.replace(/^\[|\]$/g, '').toLowerCase();
  return allowed === 'all' || allowed.some((host) => bare(host) === bare(hostname));
}

function refused(guard: AddressGuard, hostname: string, address: string): AddressRefused {
  return new AddressRefused(
    `${hostname} leads to ${address}, which is no public address; ${guard.howToAllow(hostname)}`,
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
