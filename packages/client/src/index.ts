export * from './agent-client.ts';
export { gapSize, isForeignAnswer, isServerDown, retryAfterMs } from './agent-errors.ts';
export * from './browser.ts';
export type { Exchange, Exchanged, ExchangeRequest } from './exchange.ts';
export { checkServerUrl } from './server-url.ts';
