import type { LookupAddress } from 'node:dns';
import {
  type AddressGuard,
  AddressRefused,
  guardedLookup,
  isPublicAddress,
  type PrivateHosts,
  refusePrivateLiteral as refuseLiteral,
} from '@trainyard/datasets';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readTarget, targetGuard, whyNotSent } from './target-guard.ts';

const PRIVATE = [
  '0.0.0.0',
  '10.1.2.3',
  '100.64.0.1',
  '127.0.0.1',
  '127.255.255.254',
  '169.254.169.254',
  '172.16.0.1',
  '172.31.255.255',
  '192.168.1.1',
  '198.18.0.1',
  '224.0.0.1',
  '255.255.255.255',
  '::',
  '::1',
  '::ffff:127.0.0.1',
  '::ffff:8.8.8.8',
  '64:ff9b::7f00:1',
  'fc00::1',
  'fd12::1',
  'fe80::1',
  'fe80::1%eth0',
  'ff02::1',
  '2001:db8::1',
  '2002:7f00:1::',
];
const PUBLIC = ['8.8.8.8', '172.32.0.1', '192.169.0.1', '2606:4700::1111', '2a00:1450::1'];

describe('the guard of webhook addresses', () => {
  it.each(PRIVATE)('counts %s as private', (address) => {
    expect(isPublicAddress(address)).toBe(false);
  });

  it.each(PUBLIC)('counts %s as public', (address) => {
    expect(isPublicAddress(address)).toBe(true);
  });

  it.each([
    'http://127.0.0.1/',
    'http://2130706433/',
    'http://0x7f.1/',
    'http://017700000001/',
    'http://[::1]:80/',
    'http://[::ffff:7f00:1]/',
    'http://169.254.169.254/latest/meta-data',
  ])('refuses %s, however the address is written', (text) => {
    expect(() => refusePrivateLiteral(readTarget(text), [])).toThrow(AddressRefused);
    expect(() => refusePrivateLiteral(readTarget(text), 'all')).not.toThrow();
  });

  it('lets named hosts be private, and only those', () => {
    const target = readTarget('http://127.0.0.1:8080/');
    expect(() => refusePrivateLiteral(target, ['127.0.0.1'])).not.toThrow();
    expect(() => refusePrivateLiteral(target, ['127.0.0.2'])).toThrow(/--allow-private-webhooks 127.0.0.1/);
    expect(() => refusePrivateLiteral(readTarget('http://[::1]/'), ['::1'])).not.toThrow();
  });

  it('never counts an address inside of a private network as public', () => {
    const byte = fc.integer({ min: 0, max: 255 });
    fc.assert(
      fc.property(fc.constantFrom('10', '127', '192.168', '169.254'), byte, byte, byte, (head, ...tail) => {
        const parts = [...head.split('.'), ...tail].slice(0, 4).join('.');
        expect(isPublicAddress(parts)).toBe(false);
        expect(isPublicAddress(`::ffff:${parts}`)).toBe(false);
      }),
    );
  });

  it('gives a connection only the public ones of the addresses of a name', async () => {
    expect(await look('mixed.example', ['10.0.0.1', '8.8.8.8'])).toEqual(['8.8.8.8']);
    await expect(look('inner.example', ['10.0.0.1'])).rejects.toThrow(/inner.example leads to 10.0.0.1/);
    expect(await look('inner.example', ['10.0.0.1'], ['inner.example'])).toEqual(['10.0.0.1']);
    await expect(look('rebound.example', ['127.0.0.1'], ['inner.example'])).rejects.toThrow(AddressRefused);
  });

  it('tells beforehand, by the same rule, what will not be sent and what to do', async () => {
    const says = (text: string, answers: string[] = [], allowed: string[] = []) =>
      whyNotSent(readTarget(text), allowed, resolverOf(answers));
    expect(await says('http://192.168.1.1/')).toMatch(/--allow-private-webhooks 192.168.1.1/);
    expect(await says('http://[::1]/')).toMatch(/no public address/);
    expect(await says('http://inner.example/', ['10.0.0.1'])).toMatch(/inner.example leads to 10.0.0.1/);
    expect(await says('http://inner.example/', ['10.0.0.1'], ['inner.example'])).toBeNull();
    expect(await says('http://8.8.8.8/')).toBeNull();
    expect(await says('http://mixed.example/', ['10.0.0.1', '8.8.8.8'])).toBeNull();
  });

  it.each([
    ['ftp://example.com/', /no http or https/],
    ['not an address', /no http or https/],
    ['http://user:pass@example.com/', /user name or password/],
    ['http://example.com/#part', /part after #/],
    [`http://example.com/${'a'.repeat(2000)}`, /longer than 2000/],
  ])('refuses %s as a target', (text, problem) => {
    expect(() => readTarget(text)).toThrow(problem);
  });
});

function refusePrivateLiteral(target: URL, allowed: PrivateHosts): void {
  refuseLiteral(target, targetGuard(allowed));
}

/** Looks a name up as Node does for a connection, with a name server that answers these addresses. */
function look(name: string, answers: readonly string[], allowed: readonly string[] = []): Promise<string[]> {
  const resolve = resolverOf(answers);
  return new Promise((done, fail) => {
    guardedLookup({ ...targetGuard(allowed), resolve })(name, { all: true }, (error, found) => {
      if (error !== null) fail(error);
      else done((found as LookupAddress[]).map(({ address }) => address));
    });
  });
}

/** A name server that answers these addresses. */
function resolverOf(answers: readonly string[]): NonNullable<AddressGuard['resolve']> {
  return ((_name: string, _options: unknown, callback: (error: null, found: LookupAddress[]) => void) =>
    callback(
      null,
      answers.map((address) => ({ address, family: 4 })),
    )) as unknown as NonNullable<AddressGuard['resolve']>;
}
