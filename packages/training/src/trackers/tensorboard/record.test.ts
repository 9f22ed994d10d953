import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { crc32c } from './crc32c.ts';
import { fileVersionEvent } from './event.ts';
import { field } from './protobuf.ts';
import { framedRecord } from './record.ts';

describe('CRC-32C', () => {
  // RFC 3720, appendix B.4, and the check value of the catalogue of CRCs.
  it.each([
    ['32 bytes of zeroes', Buffer.alloc(32), 0x8a9136aa],
    ['32 bytes of ones', Buffer.alloc(32, 0xff), 0x62a8ab43],
    ['32 incrementing bytes', Buffer.from(Array.from({ length: 32 }, (_, index) => index)), 0x46dd794e],
    ['32 decrementing bytes', Buffer.from(Array.from({ length: 32 }, (_, index) => 31 - index)), 0x113fdb5c],
    ['123456789', Buffer.from('123456789'), 0xe3069283],
    ['nothing', Buffer.alloc(0), 0],
  ])('of %s is the known one', (_, data, expected) => {
    expect(crc32c(data)).toBe(expected);
  });

  it('notices every bit that has flipped', () => {
    const data = fc.uint8Array({ minLength: 1, maxLength: 100 });
    fc.assert(
      fc.property(data, fc.nat(), (bytes, at) => {
        const flipped = Uint8Array.from(bytes);
        flipped[(at >> 3) % bytes.length]! ^= 1 << (at & 7);
        expect(crc32c(flipped)).not.toBe(crc32c(bytes));
      }),
    );
  });
});

describe('a record', () => {
  it('begins an event file with the bytes that TensorFlow begins one with', () => {
    const record = framedRecord(fileVersionEvent(0));
    expect(record.subarray(0, 12).toString('hex')).toBe('1800000000000000a37f4b22');
    expect(record.subarray(12, -4).toString('hex')).toBe(
      `09${'00'.repeat(8)}1a0d${Buffer.from('brain.Event:2').toString('hex')}`,
    );
  });

  it('gives back any data, with its length and both checksums', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 300 })), (all) => {
        const bytes = Buffer.concat(all.map(framedRecord));
        const read: Buffer[] = [];
        for (let at = 0; at < bytes.length; ) {
          const length = Number(bytes.readBigUInt64LE(at));
          expect(unmasked(bytes.readUInt32LE(at + 8))).toBe(crc32c(bytes.subarray(at, at + 8)));
          const data = bytes.subarray(at + 12, at + 12 + length);
          expect(unmasked(bytes.readUInt32LE(at + 12 + length))).toBe(crc32c(data));
          read.push(data);
          at += 16 + length;
        }
        expect(read.map((each) => [...each])).toEqual(all.map((each) => [...each]));
      }),
    );
  });
});

it('writes whole numbers as Protocol Buffers do', () => {
  expect(field.integer(1, 150).toString('hex')).toBe('089601');
  expect(field.integer(2, -1).toString('hex')).toBe('10ffffffffffffffffff01');
  expect(field.text(2, 'testing').toString('hex')).toBe('120774657374696e67');
  fc.assert(
    fc.property(fc.maxSafeInteger(), (value) => {
      let read = 0n;
      for (const byte of field.integer(1, value).subarray(1).toReversed())
        read = (read << 7n) | BigInt(byte & 0x7f);
      expect(Number(BigInt.asIntN(64, read))).toBe(value);
    }),
  );
});

/** The inverse that TensorFlow's reader computes. */
function unmasked(masked: number): number {
  const rotated = (masked - 0xa282ead8) >>> 0;
  return ((rotated >>> 17) | (rotated << 15)) >>> 0;
}
