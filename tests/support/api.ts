import type { RunTree } from '@trainyard/protocol';

/** Calls the API of a server that may be away for a while: waits for it, as a user's script would. */
export function api(url: string) {
  const get = async <T>(path: string): Promise<T> => {
    const response = await patiently(() => fetch(url + path));
    if (!response.ok) throw new Error(`GET ${path}: ${response.status} ${await response.text()}`);
    return (await response.json()) as T;
  };
  const tree = (id: string) => get<RunTree>(`/api/v1/runs/${id}/tree`);
  return {
    get,
    tree,
    /** The tree of a run as soon as it has ended. */
    ended: (id: string, timeoutMs?: number): Promise<RunTree> =>
      until(
        `the end of run ${id}`,
        async () => {
          const found = await tree(id);
          return found.endedAt !== null && found;
        },
        timeoutMs,
      ),
    async text(path: string): Promise<string> {
      return (await patiently(() => fetch(url + path))).text();
    },
    async post<T>(path: string, body: unknown): Promise<T> {
      const response = await patiently(() =>
        fetch(url + path, {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body: JSON.stringify(body),
        }),
      );
      if (!response.ok) throw new Error(`POST ${path}: ${response.status} ${await response.text()}`);
      return (await response.json()) as T;
    },
  };
}

/** Waits until `look` answers something, at most `timeoutMs`. */
export async function until<T>(
  what: string,
  look: () => Promise<T | undefined | false>,
  timeoutMs = 60_000,
): Promise<T> {
  const deadline = Date.now() + timeoutMs;
  for (;;) {
    const found = await look();
    if (found !== undefined && found !== false) return found;
    if (Date.now() > deadline) throw new Error(`${what} did not happen within ${timeoutMs} ms`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

export function flatten(tree: RunTree): RunTree[] {
  return [tree, ...tree.children.flatMap(flatten)];
}

async function patiently(call: () => Promise<Response>): Promise<Response> {
  const deadline = Date.now() + 30_000;
  for (;;) {
    try {
      const response = await call();
      if (response.status !== 503) return response;
    } catch (error) {
      if (Date.now() > deadline) throw error;
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
