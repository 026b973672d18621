/* What the end-to-end tests in JavaScript share, as those in shell do lib.sh. */
import { spawn } from "node:child_process";

/** Numbers below n, the same for the same seed, which is printed. */
export function seeded(seed = String(Date.now() % 1e9)) {
  console.log(`seed ${seed}`);
  let state = Number(seed);
  return (n) => { state = (Math.imul(state, 1103515245) + 12345) >>> 0; return (state >>> 8) % n; };
}

/** `demiurge ARGS`: the process, what it says once it is ready, how it ended (null: it runs), and a way to end it by a signal. */
export async function start(demiurge, args) {
  const child = spawn(demiurge, [...args, "-o", "json"], { stdio: ["ignore", "pipe", "inherit"] });
  const node = { child, ended: null, kill: async (signal = "SIGKILL") => { if (!node.ended) child.kill(signal); return await exit; } };
  const exit = new Promise((resolve) => child.once("exit", (code, signal) => { node.ended = { code, signal }; resolve(node.ended); }));
  let text = "";
  for await (const chunk of child.stdout) { text += chunk; if (text.includes("\n")) break; }
  if (!text.includes("\n")) throw new Error(`the node stopped at its start: ${JSON.stringify(await exit)}`);
  return Object.assign(node, { ready: JSON.parse(text) });
}
