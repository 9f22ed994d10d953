/** A field of a protocol-buffers message as it is on the wire. */
export interface WireField {
  readonly number: number;
  /** Of variable length: bytes. Varints, and what has 4 or 8 bytes: as they stand. */
  readonly value: bigint | Uint8Array;
}

/** Reads a message without its schema. @throws RangeError when it is cut off or no message */
export function wireFields(bytes: Uint8Array): WireField[] {
  const fields: WireField[] = [];
  let place = 0;
  const varint = (): bigint => {
    let value = 0n;
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const byte = bytes[place++];
      if (byte === undefined) throw new RangeError('the message is cut off');
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return BigInt.asIntN(64, value);
    }
    throw new RangeError('a number is too long');
  };
  const take = (length: number): Uint8Array => {
    if (length < 0 || place + length > bytes.length) throw new RangeError('the message is cut off');
    place += length;
    return bytes.subarray(place - length, place);
  };
  while (place < bytes.length) {
    const key = varint();
    const number = Number(key >> 3n);
    const type = Number(key & 7n);
    if (type === 0) fields.push({ number, value: varint() });
    else if (type === 1) fields.push({ number, value: take(8) });
    else if (type === 2) fields.push({ number, value: take(Number(varint())) });
    else if (type === 5) fields.push({ number, value: take(4) });
    else throw new RangeError(`wire type ${type} is unknown`);
  }
  return fields;
}

export function bytesOf(fields: readonly WireField[], number: number): Uint8Array | undefined {
  const found = fields.findLast((field) => field.number === number)?.value;
  return found instanceof Uint8Array ? found : undefined;
}

export function textOf(fields: readonly WireField[], number: number): string | undefined {
  const bytes = bytesOf(fields, number);
  return bytes === undefined ? undefined : new TextDecoder().decode(bytes);
}

export function integerOf(fields: readonly WireField[], number: number): number {
  const found = fields.findLast((field) => field.number === number)?.value;
  return typeof found === 'bigint' ? Number(found) : 0;
}

export function doubleOf(fields: readonly WireField[], number: number): number | undefined {
  const bytes = bytesOf(fields, number);
  return bytes?.length === 8 ? viewOf(bytes).getFloat64(0, true) : undefined;
}

export function floatOf(fields: readonly WireField[], number: number): number | undefined {
  const bytes = bytesOf(fields, number);
  return bytes !== undefined && bytes.length >= 4 ? viewOf(bytes).getFloat32(0, true) : undefined;
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
