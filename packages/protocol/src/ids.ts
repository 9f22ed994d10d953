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
export type ArtifactUploadId = Branded<'upl'>;

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
  upl: ArtifactUploadId;
}
export type IdPrefix = keyof IdKinds;

/** Crockford base 32: no i, l, o, u, and the characters sort like the numbers they stand for. */
const ALPHABET = '0123456789abcdefghjkmnpqrstvwxyz';
const LENGTH = 26;
/** What each 10 bits are written as. */
const PAIRS = Array.from({ length: 1024 }, (_, bits) => ALPHABET[bits >>> 5]! + ALPHABET[bits & 31]!);
const PATTERNS = new Map<IdPrefix, RegExp>();

let lastMs = 0;
let lastTime = '';
let counter = 0;

/**
 * Makes an id such as `run_01k9…`: a UUIDv7 (RFC 9562: 48 bits of milliseconds, then a counter and random
 * bits) written in 26 characters of Crockford base 32, so ids sort by creation, also within one process
 * and millisecond.
 */
export function newId<P extends IdPrefix>(prefix: P, nowMs: number = Date.now()): IdKinds[P] {
  return `${prefix}_${uuidv7(nowMs)}` as IdKinds[P];
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

function uuidv7(nowMs: number): string {
  // The 12 bits after the version count ids of one millisecond; when they run out, time is borrowed.
  if (nowMs > lastMs) {
    setTime(nowMs);
  } else if (counter < 0xfff) {
    counter += 1;
  } else {
    setTime(lastMs + 1);
  }
  if (randomUsed === random.length) {
    crypto.getRandomValues(random);
    randomUsed = 0;
  }
  const versioned = 0x7000 | counter;
  const variant = 0x80000000 | (random[randomUsed]! & 0x3fffffff);
  const last = random[randomUsed + 1]!;
  randomUsed += 2;
  // 16, 32 and 32 bits, ten at a time.
  return (
    lastTime +
    PAIRS[versioned >>> 6]! +
    PAIRS[((versioned & 0x3f) << 4) | (variant >>> 28)]! +
    PAIRS[(variant >>> 18) & 1023]! +
    PAIRS[(variant >>> 8) & 1023]! +
    PAIRS[((variant & 0xff) << 2) | (last >>> 30)]! +
    PAIRS[(last >>> 20) & 1023]! +
    PAIRS[(last >>> 10) & 1023]! +
    PAIRS[last & 1023]!
  );
}

/** 26 characters are 130 bits: two zeros come first, so that the 48 bits of time are ten characters. */
function setTime(ms: number): void {
  lastMs = ms;
  counter = 0;
  const high = Math.floor(ms / 2 ** 20);
  const low = ms % 2 ** 20;
  lastTime =
    PAIRS[high >>> 20]! +
    PAIRS[(high >>> 10) & 1023]! +
    PAIRS[high & 1023]! +
    PAIRS[low >>> 10]! +
    PAIRS[low & 1023]!;
}

/** Fetched for many ids at once: a call costs more than the bytes. Two for each id. */
const random = new Uint32Array(2 * 512);
let randomUsed = random.length;
