import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { link, mkdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { TrainyardError } from '@trainyard/protocol';
import { z } from 'zod';
import { writeAtomically } from '../local/write-atomically.ts';
import { parseJson } from '../parse-json.ts';
import { type HostConfig, type HostCredential, hostConfig } from './host-config.ts';

const fileSchema = z.strictObject({ version: z.literal(1), hosts: z.record(z.string(), hostConfig) });

const KEY_BYTES = 32;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;

/** The hosts that agents of one data directory know: `hosts.json`, with passwords sealed by `hosts.key`. */
export class HostsFile {
  readonly path: string;
  readonly #dir: string;

  constructor(dataDir: string) {
    this.#dir = dataDir;
    this.path = `${dataDir}/hosts.json`;
  }

  /** By name; none when there is no file. @throws TrainyardError USAGE when it cannot be read */
  async read(): Promise<Readonly<Record<string, HostConfig>>> {
    let text: string;
    try {
      text = await readFile(this.path, 'utf8');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return {};
      throw new TrainyardError('USAGE', `${this.path} cannot be read: ${(error as Error).message}`);
    }
    const parsed = fileSchema.safeParse(parseJson(text));
    if (parsed.success) return parsed.data.hosts;
    const [issue] = parsed.error.issues;
    const where = issue === undefined || issue.path.length === 0 ? '' : ` at "${issue.path.join('.')}"`;
    throw new TrainyardError(
      'USAGE',
      `${this.path} is no file of hosts${where}: ${issue?.message}; correct or remove it.`,
    );
  }

  async write(hosts: Readonly<Record<string, HostConfig>>): Promise<void> {
    await mkdir(this.#dir, { recursive: true, mode: 0o700 });
    await writeAtomically(this.path, `${JSON.stringify({ version: 1, hosts }, null, 2)}\n`);
  }

  /** Changes when the file does. */
  async version(): Promise<string> {
    const found = await stat(this.path).catch(() => undefined);
    return found === undefined ? 'none' : `${found.ino} ${found.mtimeMs} ${found.size}`;
  }

  async seal(secret: string): Promise<HostCredential> {
    const nonce = randomBytes(NONCE_BYTES);
    const cipher = createCipheriv('aes-256-gcm', await this.#key(), nonce);
    const body = Buffer.concat([cipher.update(secret, 'utf8'), cipher.final()]);
    return { sealed: Buffer.concat([nonce, cipher.getAuthTag(), body]).toString('base64') };
  }

  /** A function that opens what `seal` closed, and reads variables of the environment. */
  async revealer(
    env: Readonly<Record<string, string | undefined>>,
  ): Promise<(credential: HostCredential) => string> {
    const key = await readFile(this.#keyPath).catch(() => Buffer.alloc(0));
    return (credential) => {
      if ('env' in credential) {
        const value = env[credential.env];
        if (value !== undefined && value !== '') return value;
        throw new TrainyardError(
          'USAGE',
          `The variable ${credential.env} is not set; it is to have the password of a host.`,
        );
      }
      const sealed = Buffer.from(credential.sealed, 'base64');
      const nonce = sealed.subarray(0, NONCE_BYTES);
      const tag = sealed.subarray(NONCE_BYTES, NONCE_BYTES + TAG_BYTES);
      try {
        const decipher = createDecipheriv('aes-256-gcm', key, nonce, { authTagLength: TAG_BYTES }).setAuthTag(
          tag,
        );
        const body = sealed.subarray(NONCE_BYTES + TAG_BYTES);
        return Buffer.concat([decipher.update(body), decipher.final()]).toString('utf8');
      } catch {
        throw new TrainyardError(
          'USAGE',
          `The password of a host in ${this.path} cannot be opened with ${this.#keyPath}; add the host again.`,
        );
      }
    };
  }

  get #keyPath(): string {
    return `${this.#dir}/hosts.key`;
  }

  /** Made on first use; the first of several that do so at once counts. */
  async #key(): Promise<Buffer> {
    const known = await readFile(this.#keyPath).catch(() => undefined);
    if (known?.length === KEY_BYTES) return known;
    await mkdir(this.#dir, { recursive: true, mode: 0o700 });
    const temporary = `${this.#keyPath}.${process.pid}`;
    await writeFile(temporary, randomBytes(KEY_BYTES), { mode: 0o600 });
    await link(temporary, this.#keyPath).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'EEXIST') throw error;
    });
    await rm(temporary, { force: true });
    return readFile(this.#keyPath);
  }
}
