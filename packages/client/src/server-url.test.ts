import { expect, test } from 'vitest';
import { checkServerUrl } from './server-url.ts';

test.each([
  'http://127.0.0.1:7070',
  'https://train.example/',
  'http://[::1]:7070',
  'http://proxy.example/trainyard',
])('%s is the address of a server', (url) => {
  expect(() => checkServerUrl(url)).not.toThrow();
});

test.each([
  ['ftp://x', /"ftp:\/\/x", which does not begin with http/],
  ['localhost:7070', /"localhost:7070", which does not begin with http/],
  ['train.example', /no address/],
  ['http://', /no address/],
  ['http://host:99999', /no address/],
  ['', /no address/],
  ['http://host/?a=1', /more than host, port and path/],
])('"%s" is refused', (url, message) => {
  expect(() => checkServerUrl(url)).toThrow(message);
});

test('an address with a password is refused without being written', () => {
  expect(() => checkServerUrl('http://anna:geheim@host')).toThrow(/TRAINYARD_TOKEN/);
  expect(() => checkServerUrl('http://anna:geheim@host')).not.toThrow(/geheim/);
});
