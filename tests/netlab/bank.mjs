/* bank: is what a network did under load the history of a bank (C15.1)?  Judged offline, from what clients were told and what each node answers afterwards.

     transfers   [{ from, to, amount }], accounts by number; what was to be sent
     accepted    Map id -> index of the transfer, for each that some node took
     base        { height, free: [..] } of all accounts at a quiet height
     nodes       [{ name, blocks: [{ height, hash, ids }], free: [..], top }], blocks from base.height+1 to top without a hole, free at top
     receipts    Map id -> { ok, fee }, by one node; more: [{ name, id, ok, fee }] of others, samples
     reads       [{ node, account, height, hash, isFinal, free, order }] while the load ran

   check() returns what is wrong, [] if all of this holds:
     - all nodes have the same block at each height, with the same transactions
     - each accepted transfer is in the chain exactly once, and nothing is that nobody sent
     - a sender's transfers are there in the order of their nonces, which is the order of `transfers`
     - replaying the blocks over base, with the receipts' outcomes and fees, no balance is ever below zero, and each node ends with the replay's balances
     - each read of a final block, at whatever node and time, is the replay's balance at that height; a read of a block that was not final yet is, if that block came to be final
     - final heights read at one node never go back
   prove() plants lies in a good history, one of each kind, and tells which check() did not find. */

const short = (x) => `${String(x).slice(0, 14)}..`;

export function check({ transfers, accepted, base, nodes, receipts, more = [], reads }) {
  const wrong = [];
  const say = (text) => {
    if (wrong.length < 50) wrong.push(text);
  };
  const first = nodes[0];
  for (const x of nodes) {
    if (x.blocks.length !== x.top - base.height) say(`${x.name}: ${x.blocks.length} blocks from ${base.height + 1} to ${x.top}`);
    x.blocks.forEach((b, k) => {
      const a = first.blocks[k];
      if (b.height !== base.height + 1 + k) say(`${x.name}: block ${b.height} where ${base.height + 1 + k} should be`);
      if (a && (a.hash !== b.hash || a.ids.length !== b.ids.length || a.ids.some((id, i) => id !== b.ids[i]))) say(`height ${b.height}: ${x.name} has another block than ${first.name}`);
    });
  }
  /* Replay over the longest chain, with what was read held against it on the way. */
  const chain = nodes.reduce((a, b) => (b.top > a.top ? b : a)).blocks;
  const readsAt = new Map();
  for (const r of reads) (readsAt.get(r.height) ?? readsAt.set(r.height, []).get(r.height)).push(r);
  const endsAt = new Map();
  for (const x of nodes) (endsAt.get(x.top) ?? endsAt.set(x.top, []).get(x.top)).push(x);
  const free = [...base.free];
  const last = new Array(free.length).fill(-1);
  const seen = new Map();
  let judged = 0;
  let forked = 0;
  const hold = (height, hash) => {
    for (const r of readsAt.get(height) ?? []) {
      if (hash !== null && r.hash !== hash) {
        forked++;
        if (r.isFinal) say(`${r.node} told block ${short(r.hash)} of height ${height} as final; it is ${short(hash)}`);
        continue;
      }
      judged++;
      if (r.free !== free[r.account]) say(`${r.node} told ${r.free} for account ${r.account} at height ${height}; it had ${free[r.account]}`);
    }
  };
  hold(base.height, null);
  for (const b of chain) {
    for (const id of b.ids) {
      const i = accepted.get(id);
      const t = transfers[i];
      if (t === undefined) { say(`height ${b.height}: ${short(id)} is of nobody`); continue; }
      if (seen.has(id)) say(`${short(id)} is final twice: at ${seen.get(id)} and ${b.height}`);
      seen.set(id, b.height);
      if (last[t.from] >= i) say(`account ${t.from}: transfer ${i} comes after ${last[t.from]}`);
      last[t.from] = i;
      const r = receipts.get(id);
      if (r === undefined) { say(`${short(id)} is in block ${b.height} and has no receipt`); continue; }
      free[t.from] -= r.fee + (r.ok ? t.amount : 0n);
      if (r.ok) free[t.to] += t.amount;
      if (free[t.from] < 0n) say(`height ${b.height}: account ${t.from} has ${free[t.from]}`);
    }
    hold(b.height, b.hash);
    for (const x of endsAt.get(b.height) ?? []) x.free.forEach((v, a) => { if (v !== free[a]) say(`${x.name}: account ${a} has ${v} at height ${x.top}; the replay has ${free[a]}`); });
  }
  for (const [id, i] of accepted) if (!seen.has(id)) say(`transfer ${i}, ${short(id)}, was taken and is not in the chain`);
  for (const m of more) {
    const r = receipts.get(m.id);
    if (!r || r.ok !== m.ok || r.fee !== m.fee) say(`${m.name} has another receipt of ${short(m.id)}`);
  }
  const highest = new Map();
  for (const r of [...reads].sort((a, b) => a.order - b.order)) {
    if (!r.isFinal) continue;
    if (r.height < (highest.get(r.node) ?? 0)) say(`${r.node} told final height ${r.height} after ${highest.get(r.node)}`);
    highest.set(r.node, Math.max(r.height, highest.get(r.node) ?? 0));
  }
  return { wrong, blocks: chain.length, final: seen.size, reads: judged, forked };
}

/** Lies of each kind, planted one at a time; the names of those that check() takes for true. */
export function prove(history) {
  const h = history;
  const full = (n) => n.blocks.findIndex((b) => b.ids.length > 1);
  const node = (k, change) => ({ ...h, nodes: h.nodes.map((x, i) => (i === k ? change(x) : x)) });
  const block = (x, k, change) => ({ ...x, blocks: x.blocks.map((b, i) => (i === k ? change(b) : b)) });
  const k = full(h.nodes[0]);
  const end = h.nodes.length - 1;
  const id = h.nodes[0].blocks[k].ids[0];
  const everywhere = (change) => ({ ...h, nodes: h.nodes.map((x) => block(x, k, change)) });
  const finalRead = h.reads.findIndex((r) => r.isFinal && r.height > h.base.height + 1);
  const lies = {
    "another hash at one node": node(end, (x) => block(x, k, (b) => ({ ...b, hash: `0x${"0".repeat(64)}` }))),
    "a transaction left out at one node": node(end, (x) => block(x, k, (b) => ({ ...b, ids: b.ids.slice(1) }))),
    "a block missing at one node": node(end, (x) => ({ ...x, blocks: x.blocks.filter((_, i) => i !== k) })),
    "a taken transfer left out everywhere": everywhere((b) => ({ ...b, ids: b.ids.slice(1) })),
    "a transfer final twice": everywhere((b) => ({ ...b, ids: [...b.ids, b.ids[0]] })),
    "a transaction of nobody": everywhere((b) => ({ ...b, ids: [...b.ids, `0x${"1".repeat(64)}`] })),
    "a fee of one spark more": { ...h, receipts: new Map(h.receipts).set(id, { ...h.receipts.get(id), fee: h.receipts.get(id).fee + 1n }) },
    "an outcome turned round": { ...h, receipts: new Map(h.receipts).set(id, { ...h.receipts.get(id), ok: !h.receipts.get(id).ok }) },
    "a balance of one spark less at the end": node(end, (x) => ({ ...x, free: x.free.map((v, a) => (a === 7 ? v - 1n : v)) })),
    "a read of one spark more": { ...h, reads: h.reads.map((r, i) => (i === finalRead ? { ...r, free: r.free + 1n } : r)) },
    "a read of another final block": { ...h, reads: h.reads.map((r, i) => (i === finalRead ? { ...r, hash: `0x${"2".repeat(64)}` } : r)) },
    "a final height that goes back": { ...h, reads: [...h.reads, { ...h.reads[finalRead], height: h.reads[finalRead].height - 1, hash: "0x", order: Number.MAX_SAFE_INTEGER }] },
  };
  return { cnt: Object.keys(lies).length, missed: finalRead < 0 || k < 0 ? Object.keys(lies) : Object.keys(lies).filter((name) => check(lies[name]).wrong.length === 0) };
}
