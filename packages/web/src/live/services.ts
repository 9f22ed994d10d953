import { QueryClient } from '@tanstack/react-query';
import { createClient } from '@trainyard/client';
import { TrainyardError } from '@trainyard/protocol';
import { readStored, writeStored } from '../design/stored.ts';
import { LiveHub } from './hub.ts';

const TOKEN = 'token';

/** The page's one connection to its server: HTTP calls, the live feed and the cache between them. */
export const api = createClient({ url: location.origin, token: readStored(TOKEN) ?? undefined });

export const hub = new LiveHub({
  url: () => `${location.protocol === 'https:' ? 'wss' : 'ws'}://${location.host}/api/v1/live`,
  // A browser cannot set headers on a WebSocket, so the token travels as a subprotocol, never in the URL.
  protocols: () => {
    const token = readStored(TOKEN);
    return token === null ? [] : [`bearer.${token}`];
  },
});

export const queryClient = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: 2000,
      refetchOnWindowFocus: true,
      retry: (failures, error) => failures < 3 && !isFinal(error),
      retryDelay: (failures) => Math.min(10_000, 500 * 2 ** failures),
    },
  },
});

/** Keeps the token in this browser and starts everything anew with it. */
export function saveToken(token: string): void {
  writeStored(TOKEN, token);
  location.reload();
}

export function hasToken(): boolean {
  return readStored(TOKEN) !== null;
}

/** Starts the live feed and ties it to the network and to the page being seen. */
export function startLive(): void {
  hub.connect();
  addEventListener('online', () => hub.wake());
  document.addEventListener('visibilitychange', () => {
    if (document.visibilityState === 'visible') hub.wake();
  });
}

/** Answers that asking again does not change. */
function isFinal(error: unknown): boolean {
  return error instanceof TrainyardError && error.httpStatus >= 400 && error.httpStatus < 500;
}
