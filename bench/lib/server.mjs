/* Servers under test: started on a free port of 127.0.0.1, ended for certain.

   `setpriv --pdeathsig KILL` makes the kernel end the server when this process dies, however it dies; it and `taskset` replace
   themselves by the server, so the pid we hold is the server's. Nothing else is ever signalled. */
import { spawn } from "node:child_process";
import net from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { cpuSeconds, peakBytes } from "./measure.mjs";

const running = new Set();
process.on("exit", () => {
  for (const child of running) child.kill("SIGKILL");
});
for (const [signal, code] of [
  ["SIGINT", 130],
  ["SIGTERM", 143],
  ["SIGHUP", 129],
])
  process.on(signal, () => process.exit(code));

export async function freePort() {
  return await new Promise((resolve, reject) => {
    const s = net.createServer();
    s.once("error", reject);
    s.listen(0, "127.0.0.1", () => {
      const { port } = s.address();
      s.close(() => resolve(port));
    });
  });
}

export class Server {
  #child;
  #tail = "";
  #ended;

  /** cpus: as for taskset -c, null: all. */
  constructor(file, args, { cpus = null, env = {}, cwd = undefined } = {}) {
    const pin = cpus === null ? [] : ["taskset", "-c", cpus];
    this.#child = spawn("setpriv", ["--pdeathsig", "KILL", "--", ...pin, file, ...args], {
      stdio: ["ignore", "pipe", "pipe"],
      env: { ...process.env, ...env },
      cwd,
    });
    running.add(this.#child);
    const keep = (chunk) => {
      this.#tail = (this.#tail + chunk).slice(-8192);
    };
    this.#child.stdout.on("data", keep);
    this.#child.stderr.on("data", keep);
    this.#ended = new Promise((resolve) => {
      this.#child.once("error", (e) => {
        this.#tail += `\n${e.message}`;
        running.delete(this.#child);
        resolve(-1);
      });
      this.#child.once("close", (code, signal) => {
        running.delete(this.#child);
        resolve(code ?? signal);
      });
    });
  }

  get pid() {
    return this.#child.pid;
  }
  get output() {
    return this.#tail;
  }
  get isRunning() {
    return running.has(this.#child);
  }
  cpu() {
    return cpuSeconds(this.pid);
  }
  peak() {
    return peakBytes(this.pid);
  }

  /** Resolves with what `probe` gives as soon as it does not throw. */
  async ready(probe, timeoutMs = 30_000) {
    const end = Date.now() + timeoutMs;
    for (;;) {
      if (!this.isRunning) throw new Error(`the server ended at its start:\n${this.#tail}`);
      try {
        return await probe();
      } catch (e) {
        if (Date.now() > end)
          throw new Error(`the server is not ready after ${timeoutMs} ms: ${e.message}\n${this.#tail}`);
      }
      await sleep(10);
    }
  }

  async stop(graceMs = 10_000) {
    if (!this.isRunning) return;
    this.#child.kill("SIGTERM");
    const timer = setTimeout(() => this.#child.kill("SIGKILL"), graceMs);
    await this.#ended;
    clearTimeout(timer);
  }
}
