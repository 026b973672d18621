/* Figures as Markdown, ready to be pasted into bench/RESULTS.md. */
import { spread } from "./measure.mjs";
import { ACCOUNTS, MIX_TEXT, TRANSFERS } from "./workload.mjs";

/** Other processes' share of the cores above which a wall time decides nothing; runs below which nothing is decided. */
const QUIET = 0.1;
const RUNS_MIN = 3;

const n0 = (v) => Math.round(v).toLocaleString("en-US");
const n1 = (v) => v.toFixed(1);
const three = (values, show) => {
  const s = spread(values);
  return `${show(s.min)} / **${show(s.median)}** / ${show(s.max)}`;
};
const median = (values) => spread(values).median;
const row = (cells) => `| ${cells.join(" | ")} |`;
const head = (cells) => [row(cells), row(cells.map(() => "---"))];

export function heading({ machine, versions, began, command, load, steal, foreign, build }) {
  const m = machine;
  return [
    `Machine: ${m.cpu}, ${m.cores} cores${m.isVirtual ? " (virtual)" : ""}, ${m.memoryGiB} GiB, SHA-NI ${m.shaNi ? "yes" : "no"}, Linux ${m.kernel}, Node ${m.node}.`,
    `Versions: ${versions.join("; ")}. Our build: ${build}.`,
    `Taken ${began.toISOString().slice(0, 16).replace("T", " ")} UTC by \`${command}\`; load average ${n1(load.min)} to ${n1(load.max)}, our own servers included; other processes took ${foreign === null ? "?" : `at most ${n0(100 * foreign)} %`} of the cores during a run; ${steal.toFixed(1)} s stolen by the hypervisor in all.`,
    ...(foreign > QUIET ? ["", "**The machine was not quiet: wall times say little here, CPU times with care.**"] : []),
  ];
}

/** peers: in order; runs[mix][peer]: list of run results. */
export function transfers({ peers, mixes, runs, skipped, pairs }) {
  const out = [
    "### Signed transfers",
    "",
    `${n0(TRANSFERS)} pre-signed transfers over ${ACCOUNTS} accounts, the same payers and payees for all; from the first byte submitted until all are committed (ours: final). ` +
      "Runs interleaved, each on a fresh chain; afterwards every holding is checked. Cells: min / **median** / max. CPU is the server's process (user and system), the driver's comes on top where there is one.",
    "",
  ];
  for (const mix of mixes) {
    out.push(
      `**${MIX_TEXT[mix]}**`,
      "",
      ...head(["peer", "transfers/s, wall", "CPU us a transfer", "driver us", "peak MiB", ""]),
    );
    for (const p of peers) {
      const list = runs[mix]?.[p.name] ?? [];
      if (!list.length) continue;
      out.push(
        row([
          p.name,
          three(
            list.map((r) => r.cnt / r.wallS),
            n0,
          ),
          three(
            list.map((r) => (1e6 * r.cpuS) / r.cnt),
            n1,
          ),
          list[0].driverS === undefined ? "-" : n1(median(list.map((r) => (1e6 * r.driverS) / r.cnt))),
          list[0].peakBytes === undefined ? "-" : n0(median(list.map((r) => r.peakBytes)) / 2 ** 20),
          list[list.length - 1].note ?? "",
        ]),
      );
    }
    out.push("");
  }
  const mix = mixes[0];
  out.push(`Where it goes (${MIX_TEXT[mix]}, medians, us a transfer: wall, CPU)`, "");
  out.push(...head(["peer", "phase", "wall", "CPU"]));
  for (const p of peers) {
    const list = runs[mix]?.[p.name] ?? [];
    if (!list.length) continue;
    for (const phase of Object.keys(list[0].phases)) {
      const of = (key) => n1(median(list.map((r) => (1e6 * r.phases[phase][key]) / r.cnt)));
      out.push(row([p.name, phase, of("wallS"), of("cpuS")]));
    }
  }
  out.push(
    "",
    `Beside each other ("ahead" only if our worst run beats the other's best, of at least ${RUNS_MIN}; a rate also only on a quiet machine):`,
    "",
  );
  out.push(...head(["ours", "peer", "mix", "rate, ratio of medians", "CPU, ratio of medians", "rate", "CPU"]));
  for (const [a, b] of pairs)
    for (const mix of mixes) {
      const [x, y] = [runs[mix]?.[a], runs[mix]?.[b]];
      if (!x?.length || !y?.length) continue;
      const rate = (l) => spread(l.map((r) => r.cnt / r.wallS));
      const cpu = (l) => spread(l.map((r) => r.cpuS / r.cnt));
      const [rx, ry, cx, cy] = [rate(x), rate(y), cpu(x), cpu(y)];
      const isEnough = Math.min(x.length, y.length) >= RUNS_MIN;
      const isQuiet = [...x, ...y].every((r) => (r.foreignShare ?? 0) <= QUIET);
      const word = (isAhead, isBehind) => (isAhead ? "ahead" : isBehind ? "behind" : "not decided");
      out.push(
        row([
          a,
          b,
          MIX_TEXT[mix],
          `${(rx.median / ry.median).toFixed(2)}x`,
          `${(cy.median / cx.median).toFixed(2)}x`,
          word(isEnough && isQuiet && rx.min > ry.max, isEnough && isQuiet && rx.max < ry.min),
          word(isEnough && cx.max < cy.min, isEnough && cx.min > cy.max),
        ]),
      );
    }
  out.push("", ...goals({ mixes, runs }));
  out.push("", "What differs:", "", ...peers.map((p) => `- ${p.name} (${p.text}): ${p.differs}.`));
  for (const [name, why] of Object.entries(skipped)) out.push(`- SKIP ${name}: ${why}`);
  return out;
}

/* The goals of the project: 30,000 transfers/s on 2 cores durable, 5 times the better of LiteSVM and anvil. */
function goals({ mixes, runs }) {
  const out = [];
  for (const mix of mixes) {
    const rates = (name) => (runs[mix]?.[name] ?? []).map((r) => r.cnt / r.wallS);
    const own = rates("demiurge");
    const others = ["litesvm", "anvil"].filter((n) => rates(n).length);
    if (!own.length) continue;
    const at = median(own);
    out.push(
      `- ${MIX_TEXT[mix]}: ${n0(at)} transfers/s (goal 30,000: ${at >= 30_000 ? "met" : `${n0((100 * at) / 30_000)} % of it`}).`,
    );
    if (!others.length) continue;
    const best = others.reduce((a, b) => (median(rates(a)) >= median(rates(b)) ? a : b));
    const ratio = at / median(rates(best));
    out.push(
      `  ${ratio.toFixed(2)} times ${best}, the better of ${others.join(" and ")} (goal 5: ${ratio >= 5 ? "met" : "missed"}).`,
    );
  }
  return out.length ? ["Goals, for `demiurge` (JSON-RPC, disk), by medians:", "", ...out] : [];
}

export function rpc({ results, skipped, seconds }) {
  const out = [
    "### JSON-RPC reads",
    "",
    `HTTP/1.1, 64 keep-alive connections, wrk on the other cores, server pinned to one core, ${seconds} s a run after warming up, ${ACCOUNTS} accounts. Cells: min / **median** / max. ` +
      "Where the server's share of its core is well below 100 %, the load is the limit and the rate is a lower bound.",
    "",
    ...head([
      "call",
      "calls/s",
      "server CPU us a call",
      "p50 us",
      "p99 us",
      "server's share of its core",
      "answer bytes",
    ]),
  ];
  for (const [name, list] of Object.entries(results))
    out.push(
      row([
        name,
        three(
          list.map((r) => r.perS),
          n0,
        ),
        three(
          list.map((r) => r.cpuUs),
          n1,
        ),
        n0(median(list.map((r) => r.p50Us))),
        n0(median(list.map((r) => r.p99Us))),
        `${n0(100 * median(list.map((r) => r.serverShare)))} %`,
        list[0].answerBytes || "",
      ]),
    );
  const rate = (name) => (results[name] ? spread(results[name].map((r) => r.perS)) : null);
  const compare = (ours, other, goal) => {
    const [a, b] = [rate(ours), rate(other)];
    if (a && b)
      out.push(
        `- ${ours} / ${other}: ${(a.median / b.median).toFixed(2)} by medians, ${(a.min / b.max).toFixed(2)} our worst to its best (goal ${goal}).`,
      );
  };
  out.push("");
  compare("chain_head", "constant", "0.8");
  compare("balances_get", "constant, 500 bodies", "0.6");
  compare("chain_head", "eth_blockNumber", "5");
  compare("balances_get", "eth_getBalance", "5");
  out.push(
    "",
    "What differs: the answers of ours name the block they speak of and are longer; geth makes a block a second meanwhile, ours none (nothing is sent); `constant` parses nothing and answers as many bytes as chain_head. Both over 500 accounts but for the line that says otherwise; geth is not asked about the 1 M of F15.2.",
  );
  for (const [name, why] of Object.entries(skipped)) out.push(`- SKIP ${name}: ${why}`);
  return out;
}

export function ready(results) {
  return [
    "### Time to ready",
    "",
    "From process start to the first JSON-RPC answer, ms: min / **median** / max.",
    "",
    ...head(["", "ms"]),
    ...Object.entries(results).map(([name, list]) => row([name, three(list, n0)])),
  ];
}
