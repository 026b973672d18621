import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";

const src = (name: string): string => fileURLToPath(new URL(`sdk/typescript/${name}/src/index.ts`, import.meta.url));

/* Tests run on the sources, so that no build has to come first. */
export default defineConfig({
  resolve: {
    alias: Object.fromEntries(["codec", "verify", "wallet", "client"].map((n) => [`@demiurge/${n}`, src(n)])),
  },
  test: {
    include: ["sdk/typescript/*/test/**/*.test.ts", "tests/conformance/ts/**/*.test.ts"],
    testTimeout: 60_000,
  },
});
