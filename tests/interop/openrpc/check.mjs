/**
 * check.mjs DEMIURGE: rpc.discover of a dev chain is a valid OpenRPC document, and every example in it runs.
 *
 * Valid by the OpenRPC project's own meta-schema. An example may be answered by an error of the chain (there is no such
 * transaction), never by one about the request (-32600..-32603, -32700) or by MethodDisabled. What an example's result holds is
 * of the method's schema, and has no member that the schema does not name.
 */
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { jsonSchema } from "@json-schema-tools/meta-schema";
import { openrpcDocument } from "@open-rpc/meta-schema";
import { Ajv } from "ajv";

const binary = process.argv[2];
if (binary === undefined) {
  console.error("usage: check.mjs DEMIURGE");
  process.exit(2);
}

const home = mkdtempSync(join(tmpdir(), "dmg-openrpc."));
const node = spawn(binary, ["dev", "--port", "0", "--ready-fd", "3", "-o", "json"], {
  env: { ...process.env, HOME: home },
  stdio: ["ignore", "pipe", "inherit", "pipe"],
});

async function ready() {
  let text = "";
  node.stdout.setEncoding("utf8").on("data", (part) => {
    text += part;
  });
  await new Promise((resolve, reject) => {
    node.stdio[3].once("data", resolve);
    node.once("exit", (code) => reject(new Error(`demiurge dev ended with ${code}`)));
    setTimeout(() => reject(new Error("no chain after 60 s")), 60_000).unref();
  });
  return JSON.parse(text).rpc;
}

async function call(url, method, params) {
  const response = await fetch(url, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ jsonrpc: "2.0", id: 1, method, params }),
  });
  if (response.status !== 200) throw new Error(`${method}: HTTP ${response.status}`);
  return await response.json();
}

/* The schema with its references resolved and no room for members that it does not name: clients must ignore such (F0.2), but
   a node that sends them has an interface that is not in its IDL. */
function closed(schema, types) {
  if (typeof schema !== "object" || schema === null) return schema;
  if (typeof schema.$ref === "string") return closed(types[schema.$ref.split("/").at(-1)], types);
  if (Array.isArray(schema)) return schema.map((x) => closed(x, types));
  const out = Object.fromEntries(
    Object.entries(schema).map(([k, v]) => [
      k,
      k === "properties" ? Object.fromEntries(Object.entries(v).map(([n, x]) => [n, closed(x, types)])) : closed(v, types),
    ]),
  );
  return out.type === "object" && out.properties !== undefined ? { ...out, additionalProperties: false } : out;
}

const bad = [];
try {
  const url = await ready();
  const { result: document } = await call(url, "rpc.discover", {});

  const ajv = new Ajv({ strict: false, allErrors: true, validateFormats: false });
  ajv.addMetaSchema(jsonSchema);
  /* The two documents of their authors spell this id with and without its last slash. */
  const id = jsonSchema.$id;
  const schema = JSON.stringify(openrpcDocument).replaceAll(`"${id.slice(0, -1)}"`, `"${id}"`);
  const validate = ajv.compile(JSON.parse(schema));
  if (!validate(document)) bad.push(...validate.errors.map((e) => `${e.instancePath}: ${e.message}`));

  const resolved = (schema) => ajv.compile({ ...schema, components: document.components });
  let results = 0;
  for (const m of document.methods) {
    if (new Set(m.params.map((p) => p.name)).size !== m.params.length) bad.push(`${m.name}: a parameter twice`);
    const optional = m.params.findIndex((p) => !p.required);
    if (optional >= 0 && m.params.slice(optional).some((p) => p.required))
      bad.push(`${m.name}: a needed parameter after an optional one`);
    if (m.examples?.length !== 1) bad.push(`${m.name}: ${m.examples?.length ?? 0} examples`);
    for (const example of m.examples ?? []) {
      const params = Object.fromEntries(example.params.map((p) => [p.name, p.value]));
      for (const p of m.params) {
        if (p.name in params && !resolved(p.schema)(params[p.name]))
          bad.push(`${m.name}: the example's ${p.name} is not of its schema`);
      }
      const { error, result } = await call(url, m.name, params);
      if (error === undefined) {
        results++;
        const judge = resolved(closed(m.result.schema, document.components.schemas));
        if (!judge(result))
          bad.push(...judge.errors.map((e) => `${m.name}: result${e.instancePath} ${e.message} ${JSON.stringify(e.params)}`));
      }
      if (error !== undefined && (error.code <= -32600 || error.code === -32004))
        bad.push(`${m.name}: its example gives ${error.code} ${error.message}`);
    }
  }
  console.log(`${document.methods.length} methods, OpenRPC ${document.openrpc}, ${results} results of their schemas, ${bad.length} findings`);
} finally {
  node.kill();
  rmSync(home, { recursive: true, force: true });
}
for (const line of bad) console.error(line);
process.exit(bad.length === 0 ? 0 : 1);
