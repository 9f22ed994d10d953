import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  hasValidHubSignature,
  hasValidSignature,
  newSigningSecret,
  SIGNATURE_TOLERANCE_MS,
  signedHeaders,
  signingKey,
} from './signature.ts';

/** The example of the Standard Webhooks libraries. */
const KEY = signingKey('whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw');
const MESSAGE = { id: 'msg_p5jXN8AQM9LWM0D4loKWxJek', timestamp: 1614265330, body: '{"test": 2432232314}' };
const SIGNATURE = 'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=';
const AT_MS = MESSAGE.timestamp * 1000;

const judge = (change: Partial<Record<'id' | 'timestamp' | 'signature' | 'body', string>>, nowMs = AT_MS) =>
  hasValidSignature(
    KEY,
    {
      id: change.id ?? MESSAGE.id,
      timestamp: change.timestamp ?? String(MESSAGE.timestamp),
      signature: change.signature ?? SIGNATURE,
      body: Buffer.from(change.body ?? MESSAGE.body),
    },
    nowMs,
  );

describe('signatures of webhooks', () => {
  it('are those of the Standard Webhooks libraries', () => {
    expect(signedHeaders(KEY, MESSAGE)).toEqual({
      'webhook-id': MESSAGE.id,
      'webhook-timestamp': '1614265330',
      'webhook-signature': SIGNATURE,
    });
    expect(judge({})).toBe(true);
  });

  it('accept one of several, and nothing that was changed', () => {
    expect(judge({ signature: `v1,${'A'.repeat(43)}= v1a,xyz ${SIGNATURE}` })).toBe(true);
    expect(judge({ id: 'msg_other' })).toBe(false);
    expect(judge({ body: '{"test": 2432232315}' })).toBe(false);
    expect(judge({ timestamp: '1614265331' })).toBe(false);
    expect(judge({ timestamp: '1614265330.0' })).toBe(false);
    expect(judge({ signature: SIGNATURE.replace('v1', 'v2') })).toBe(false);
    expect(judge({ signature: '' })).toBe(false);
  });

  it('are worth nothing outside of the tolerance', () => {
    expect(judge({}, AT_MS + SIGNATURE_TOLERANCE_MS)).toBe(true);
    expect(judge({}, AT_MS + SIGNATURE_TOLERANCE_MS + 1)).toBe(false);
    expect(judge({}, AT_MS - SIGNATURE_TOLERANCE_MS - 1)).toBe(false);
  });

  it('never accept a text that is not the signature', () => {
    fc.assert(
      fc.property(fc.string(), (signature) => {
        expect(judge({ signature })).toBe(false);
      }),
    );
  });

  it('accept the header of GitHub', () => {
    // From GitHub's documentation.
    const key = signingKey("It's a Secret to Everybody");
    const header = 'sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17';
    expect(hasValidHubSignature(key, header, Buffer.from('Hello, World!'))).toBe(true);
    expect(hasValidHubSignature(key, header, Buffer.from('Hello, World'))).toBe(false);
    expect(hasValidHubSignature(key, header.replace('sha256=', 'sha1='), Buffer.from('Hello, World!'))).toBe(
      false,
    );
  });

  it('take secrets in the form of Standard Webhooks and as plain text', () => {
    expect(signingKey(newSigningSecret())).toHaveLength(32);
    expect(signingKey('sixteen letters!')).toEqual(Buffer.from('sixteen letters!'));
    expect(() => signingKey('whsec_tooshort')).toThrow(/Base64 of 24 to 64 bytes/);
    expect(() => signingKey(`whsec_${'?'.repeat(40)}`)).toThrow(/Base64/);
  });
});
