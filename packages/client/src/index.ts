export * from './agent-client.ts';
