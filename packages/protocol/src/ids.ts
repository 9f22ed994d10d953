declare const brand: unique symbol;
type Branded<Name extends string> = string & { readonly [brand]: Name };

export type RunId = Branded<'run'>;
export type AttemptId = Branded<'att'>;
export type AgentId = Branded<'agt'>;
export type TokenId = Branded<'tok'>;
export type TrainingJobId = Branded<'job'>;
export type CheckpointId = Branded<'ckp'>;
export type WebhookId = Branded<'whk'>;
export type MessageId = Branded<'msg'>;
export type TriggerId = Branded<'trg'>;
export type ScheduleId = Branded<'sch'>;
export type BackfillId = Branded<'bkf'>;
export type FindingId = Branded<'fnd'>;

interface IdKinds {
  run: RunId;
  att: AttemptId;
  agt: AgentId;
  tok: TokenId;
  job: TrainingJobId;
  ckp: CheckpointId;
  whk: WebhookId;
  msg: MessageId;
  trg: TriggerId;
  sch: ScheduleId;
  bkf: BackfillId;
  fnd: FindingId;
}
export type IdPrefix = keyof IdKinds;

/** Crockford base 32: no i, l, o, u, and the characters sort like the numbers they stand for. */
const ALPHABET = '0123456789abcdefghjkmnpqrstvwxyz';
const LENGTH = 26;
const PATTERNS = new Map<IdPrefix, RegExp>();

let lastMs = 0;
let counter = 0;

/**
 * Makes an id such as `run_01k9…`: a UUIDv7 (RFC 9562: 48 bits of milliseconds, then a counter and random
 * bits) written in 26 characters of Crockford base 32, so ids sort by creation, also within one process
 * and millisecond.
 */
export function newId<P extends IdPrefix>(prefix: P, nowMs: number = Date.now()): IdKinds[P] {
  return `${prefix}_${encode(uuidv7(nowMs))}` as IdKinds[P];
}

/** True when `value` has the form of an id with this prefix. Says nothing about whether it exists. */
export function isId<P extends IdPrefix>(prefix: P, value: string): value is IdKinds[P] {
  let pattern = PATTERNS.get(prefix);
  if (pattern === undefined) {
    pattern = new RegExp(`^${prefix}_[0-7][${ALPHABET}]{${LENGTH - 1}}$`);
    PATTERNS.set(prefix, pattern);
  }
  return pattern.test(value);
}

function uuidv7(nowMs: number): Uint8Array {
  // The 12 bits after the version count ids of one millisecond; when they run out, time is borrowed.
  if (nowMs > lastMs) {
    lastMs = nowMs;
    counter = 0;
  } else if (counter < 0xfff) {
    counter += 1;
  } else {
    lastMs += 1;
    counter = 0;
  }
  const bytes = randomBytes16();
  const view = new DataView(bytes.buffer);
  view.setUint16(0, Math.floor(lastMs / 2 ** 32));
  view.setUint32(2, lastMs >>> 0);
  view.setUint16(6, 0x7000 | counter);
  view.setUint8(8, 0x80 | (view.getUint8(8) & 0x3f));
  return bytes;
}

/** Fetched for many ids at once: a call costs more than the bytes. */
const random = new Uint8Array(16 * 256);
let randomUsed = random.length;

function randomBytes16(): Uint8Array {
  if (randomUsed === random.length) {
    crypto.getRandomValues(random);
    randomUsed = 0;
  }
  randomUsed += 16;
  return random.slice(randomUsed - 16, randomUsed);
}

function encode(bytes: Uint8Array): string {
  let text = '';
  // 26 characters are 130 bits: two zeros come first.
  let bits = 0;
  let count = 2;
  for (const byte of bytes) {
    bits = (bits << 8) | byte;
    count += 8;
    while (count >= 5) {
      count -= 5;
      text += ALPHABET[(bits >>> count) & 31];
    }
    bits &= (1 << count) - 1;
  }
  return text;
}
