/**
 * Node's HTTP. An import of `node:http` reads all that it exports, and WebSocket among that loads all of undici: 6 MB
 * of objects and 7 MB of code that an agent does not need.
 */
export const http = process.getBuiltinModule('node:http');
export const https = process.getBuiltinModule('node:https');
