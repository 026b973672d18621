/* LiteSVM (npm litesvm): Solana's own runtime as a library, one transaction after the other, in memory, no blocks, no state root,
   no disk. Signature check on. */
import { execFile } from "node:child_process";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const child = fileURLToPath(new URL("child.mjs", import.meta.url));
const version = createRequire(import.meta.url)("litesvm/package.json").version;
const run = promisify(execFile);

export const litesvm = {
  name: "litesvm",
  text: `LiteSVM ${version}`,
  differs:
    "in process, no RPC, pool, blocks, consensus, state root or disk; native system program, signature check on, history kept",
  async prepare() {},
  async run(mix) {
    const one = async (...flags) => {
      const args = ["--pdeathsig", "KILL", "--", process.execPath, child, mix, ...flags];
      const { stdout } = await run("setpriv", args, { timeout: 300_000, killSignal: "SIGKILL" });
      return JSON.parse(stdout);
    };
    const whole = await one();
    const bare = await one("--no-verify");
    return {
      digest: whole.digest,
      cnt: whole.cnt,
      wallS: whole.wallS,
      cpuS: whole.cpuS,
      phases: {
        "verify (difference to a run without)": { wallS: whole.wallS - bare.wallS, cpuS: whole.cpuS - bare.cpuS },
        "decode, execute, commit": { wallS: bare.wallS, cpuS: bare.cpuS },
      },
    };
  },
};
