/* JSON-RPC over HTTP/1.1 keep-alive connections, and the load that every server gets alike: prepared batches. */
import http from "node:http";

export class JsonRpc {
  #agent;
  #options;
  #headers;
  #timeoutMs;
  #id = 0;

  constructor(url, { connections = 4, headers = {}, timeoutMs = 120_000 } = {}) {
    const u = new URL(url);
    this.#agent = new http.Agent({ keepAlive: true, maxSockets: connections });
    this.#options = { host: u.hostname, port: u.port, path: u.pathname, method: "POST", agent: this.#agent };
    this.#headers = { "Content-Type": "application/json", ...headers };
    this.#timeoutMs = timeoutMs;
  }

  post(body) {
    return new Promise((resolve, reject) => {
      const req = http.request(
        { ...this.#options, headers: { ...this.#headers, "Content-Length": body.length } },
        (res) => {
          const parts = [];
          res.on("data", (c) => parts.push(c));
          res.on("error", reject);
          res.on("end", () => resolve({ status: res.statusCode, body: Buffer.concat(parts) }));
        },
      );
      req.on("error", reject);
      req.setTimeout(this.#timeoutMs, () => req.destroy(new Error(`no answer for ${this.#timeoutMs / 1000} s`)));
      req.end(body);
    });
  }

  async call(method, params) {
    const { status, body } = await this.post(request(++this.#id, method, params));
    let answer;
    try {
      answer = JSON.parse(body);
    } catch {
      throw new Error(`${method}: HTTP ${status}, not JSON: ${body.subarray(0, 200)}`);
    }
    if (answer.error) throw new Error(`${method}: ${answer.error.code} ${answer.error.message}`);
    return answer.result;
  }

  /** Many calls of one method in batches; results in order. Throws at the first error. */
  async many(method, paramsList, { size = 100 } = {}) {
    return await this.sendBatches(batches(method, paramsList, { size }));
  }

  /** Sends prepared bodies on all connections at once; the results of all calls in order. */
  async sendBatches(bodies, { connections = this.#agent.maxSockets } = {}) {
    const results = new Array(bodies.length);
    let next = 0;
    const worker = async () => {
      while (next < bodies.length) {
        const i = next++;
        const { status, body } = await this.post(bodies[i]);
        if (status !== 200) throw new Error(`batch ${i}: HTTP ${status} ${body.subarray(0, 200)}`);
        const answers = JSON.parse(body);
        if (!Array.isArray(answers)) throw new Error(`batch ${i}: ${body.subarray(0, 200)}`);
        const bad = answers.find((a) => a.error);
        if (bad)
          throw new Error(
            `batch ${i}: ${bad.error.code} ${bad.error.message} ${JSON.stringify(bad.error.data ?? null)}`,
          );
        answers.sort((a, b) => a.id - b.id);
        results[i] = answers.map((a) => a.result);
      }
    };
    await Promise.all(Array.from({ length: connections }, worker));
    return results.flat();
  }

  close() {
    this.#agent.destroy();
  }
}

const request = (id, method, params) => Buffer.from(JSON.stringify({ jsonrpc: "2.0", id, method, params }));

/** Bodies of `size` calls each, ready to send. */
export function batches(method, paramsList, { size = 100 } = {}) {
  const bodies = [];
  for (let i = 0; i < paramsList.length; i += size) {
    const part = paramsList.slice(i, i + size).map((params, k) => ({ jsonrpc: "2.0", id: i + k, method, params }));
    bodies.push(Buffer.from(JSON.stringify(part)));
  }
  return bodies;
}
