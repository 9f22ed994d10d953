import { createCipheriv, createDecipheriv, createHash, hkdfSync, randomBytes } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { TrainyardError } from '@trainyard/protocol';

/** Keeps secrets that the server must be able to use again, such as those that sign webhooks. */
export interface SecretBox {
  /** Names the key without giving it away: what was sealed with it can be opened with it only. */
  readonly keyId: string;
  /** `place` is bound to the secret: moved to another row it cannot be opened. */
  seal(secret: Buffer, place: string): Buffer;
  open(sealed: Buffer, place: string): Buffer;
}

const KEY_FILE = 'secret.key';
const KEY_BYTES = 32;
const MIN_TEXT_LENGTH = 32;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;

/**
 * The key is the given text, or the one in the data directory, made when missing. Servers that share a
 * database need the same key, so they have to be given one.
 * @throws TrainyardError USAGE when the given text is too short
 */
export async function openSecretBox(options: {
  readonly dataDir: string;
  readonly secretKey?: string | undefined;
}): Promise<SecretBox> {
  const { secretKey, dataDir } = options;
  if (secretKey !== undefined && secretKey.length < MIN_TEXT_LENGTH) {
    throw new TrainyardError(
      'USAGE',
      `TRAINYARD_SECRET_KEY has ${secretKey.length} characters; give at least ${MIN_TEXT_LENGTH} random ones, for example of: openssl rand -base64 32`,
    );
  }
  return secretBox(secretKey === undefined ? await keyInFile(join(dataDir, KEY_FILE)) : secretKey);
}

/** AES-256-GCM with a key derived from `text`. */
function secretBox(text: string): SecretBox {
  const key = Buffer.from(hkdfSync('sha256', text, '', 'trainyard secrets', KEY_BYTES));
  const keyId = createHash('sha256').update('key id').update(key).digest('hex').slice(0, 16);
  return {
    keyId,
    seal(secret, place) {
      const nonce = randomBytes(NONCE_BYTES);
      const cipher = createCipheriv('aes-256-gcm', key, nonce).setAAD(Buffer.from(place));
      const body = Buffer.concat([cipher.update(secret), cipher.final()]);
      return Buffer.concat([nonce, cipher.getAuthTag(), body]);
    },
    open(sealed, place) {
      const nonce = sealed.subarray(0, NONCE_BYTES);
      const decipher = createDecipheriv('aes-256-gcm', key, nonce, { authTagLength: TAG_BYTES })
        .setAAD(Buffer.from(place))
        .setAuthTag(sealed.subarray(NONCE_BYTES, NONCE_BYTES + TAG_BYTES));
      return Buffer.concat([decipher.update(sealed.subarray(NONCE_BYTES + TAG_BYTES)), decipher.final()]);
    },
  };
}

async function keyInFile(path: string): Promise<string> {
  const made = randomBytes(KEY_BYTES).toString('base64');
  try {
    await writeFile(path, `${made}\n`, { mode: 0o600, flag: 'wx', flush: true });
    return made;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
  const text = (await readFile(path, 'utf8')).trim();
  if (text.length >= MIN_TEXT_LENGTH) return text;
  throw new TrainyardError(
    'USAGE',
    `${path} does not hold a key any more. Put it back from a backup, or remove the file: webhooks and triggers have to be made again then.`,
  );
}
