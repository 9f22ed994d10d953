export * from './client.ts';
export type { ConnectionOptions } from './http.ts';
export * from './live.ts';
