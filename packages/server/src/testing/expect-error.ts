import { ERRORS, type ErrorBody, type ErrorCode } from '@trainyard/protocol';
import { expect } from 'vitest';
import type { Answer } from './test-server.ts';

/** The documented body, the status of the catalogue, and nothing of the server's inside. */
export function expectError(answer: Answer<unknown>, code: ErrorCode): ErrorBody['error'] {
  expect({ status: answer.status, body: answer.body }).toEqual({
    status: ERRORS[code].httpStatus,
    body: {
      error: {
        code,
        message: expect.stringMatching(/\S/),
        docs: `/docs/errors#${code.toLowerCase()}`,
        ...((answer.body as Partial<ErrorBody>).error?.details === undefined
          ? {}
          : { details: expect.anything() }),
      },
    },
  });
  expect(answer.headers['content-type']).toMatch(/^application\/json/);
  expect(answer.text).not.toMatch(/node_modules|\n\s+at |\.ts:\d+:\d+\)/);
  return (answer.body as ErrorBody).error;
}
