import { z } from 'zod';
import { STORED_STREAMS } from '../ingest/stored-stream.ts';

/** What one server tells the others. Names are short: a payload has 8,000 bytes. */
const announcement = z.discriminatedUnion('t', [
  z.object({ t: z.literal('work') }),
  z.object({ t: z.literal('inbox') }),
  /** Something may have been told while nobody could hear it. */
  z.object({ t: z.literal('missed') }),
  /** Events of the root run `r` up to `s` are stored. */
  z.object({ t: z.literal('tree'), r: z.string(), s: z.int() }),
  /** Bytes from `o` up to `z` of stream `n` of attempt `a`, run `u`, are stored. */
  z.object({
    t: z.literal('stream'),
    u: z.string(),
    a: z.string(),
    n: z.enum(STORED_STREAMS),
    o: z.int(),
    z: z.int(),
  }),
]);
export type Announcement = z.infer<typeof announcement>;

const payloadSchema = z.object({ from: z.string(), all: z.array(announcement) });

/** PostgreSQL takes fewer than 8,000 bytes. */
const MAX_PAYLOAD_BYTES = 7900;
/** More than this at once is told as `missed`: everybody then looks for himself. */
const MAX_PENDING = 5000;

/** Announcements that wait to be told, those about the same thing drawn together. */
export class PendingAnnouncements {
  readonly #byKey = new Map<string, Announcement>();

  add(added: Announcement): void {
    const key = keyOf(added);
    const earlier = this.#byKey.get(key);
    if (earlier === undefined && this.#byKey.size >= MAX_PENDING) {
      this.#byKey.clear();
      this.#byKey.set('missed', { t: 'missed' });
      this.#byKey.set('work', { t: 'work' });
      this.#byKey.set('inbox', { t: 'inbox' });
      return;
    }
    this.#byKey.set(key, earlier === undefined ? added : drawTogether(earlier, added));
  }

  /** Payloads with all that waits; nothing waits after that. */
  take(from: string): string[] {
    const payloads: string[] = [];
    const empty = JSON.stringify({ from, all: [] });
    let parts: string[] = [];
    let bytes = empty.length;
    const close = (): void => {
      if (parts.length > 0) payloads.push(`${empty.slice(0, -2)}${parts.join(',')}]}`);
      parts = [];
      bytes = empty.length;
    };
    for (const waiting of this.#byKey.values()) {
      const part = JSON.stringify(waiting);
      const partBytes = Buffer.byteLength(part) + 1;
      if (bytes + partBytes > MAX_PAYLOAD_BYTES) close();
      parts.push(part);
      bytes += partBytes;
    }
    close();
    this.#byKey.clear();
    return payloads;
  }
}

/** Reads a payload; undefined when it is not one of ours, for example of a newer version. */
export function readPayload(text: string): { from: string; all: Announcement[] } | undefined {
  try {
    return payloadSchema.safeParse(JSON.parse(text)).data;
  } catch {
    return undefined;
  }
}

function keyOf(told: Announcement): string {
  if (told.t === 'tree') return `tree ${told.r}`;
  return told.t === 'stream' ? `${told.n} ${told.a}` : told.t;
}

function drawTogether(earlier: Announcement, later: Announcement): Announcement {
  if (earlier.t === 'tree' && later.t === 'tree') return { ...later, s: Math.max(earlier.s, later.s) };
  if (earlier.t === 'stream' && later.t === 'stream') {
    return { ...later, o: Math.min(earlier.o, later.o), z: Math.max(earlier.z, later.z) };
  }
  return later;
}
