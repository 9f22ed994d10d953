import type { CallOptions } from './client.ts';
import { type ConnectionOptions, send } from './http.ts';

export interface LogExport extends CallOptions {
  readonly attempt?: number | undefined;
  /** `text` (the default): each line with the time at which it was received; `raw`: as the process wrote it. */
  readonly format?: 'text' | 'raw' | undefined;
}

/** The whole log of an attempt, piece by piece. */
export async function* exportLog(
  connection: ConnectionOptions,
  path: string,
  { signal, ...query }: LogExport,
): AsyncGenerator<Uint8Array, void> {
  const response = await send(connection, { path, query, headers: { accept: '*/*' }, signal });
  const reader = response.body?.getReader();
  for (;;) {
    const part = await reader?.read();
    if (part === undefined || part.done) return;
    yield part.value;
  }
}
