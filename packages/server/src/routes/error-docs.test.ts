import { TrainyardError } from '@trainyard/protocol';
import Fastify from 'fastify';
import { expect, it } from 'vitest';
import { errorDocs } from './error-docs.ts';

it('has a place for what the docs link of an error points to', async () => {
  const app = Fastify();
  await app.register(errorDocs);
  const { docs } = new TrainyardError('STREAM_GAP', 'a gap').toBody().error;
  const [path, anchor] = docs.split('#');
  const page = await app.inject({ url: path! });
  expect(page.statusCode).toBe(200);
  expect(page.body).toContain(`id="${anchor}"`);
});
