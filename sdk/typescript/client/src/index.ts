/** Demiurge node client: JSON-RPC over HTTP and WebSocket, streams, sending. */
export * from "./answers.js";
export * from "./client.js";
export * from "./errors.js";
export type * as rpc from "./generated/rpc.js";
export * from "./json.js";
export * from "./transport.js";
export * from "./websocket.js";
