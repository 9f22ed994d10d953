export * from './agent-client.ts';
export * from './browser.ts';
