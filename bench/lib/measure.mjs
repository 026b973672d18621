/* What the machine says: CPU seconds of a process, load, versions; and what a list of runs amounts to. */
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import os from "node:os";

const TICKS = 100; // USER_HZ, a constant of the Linux ABI

/** User and system seconds of a process, threads that ended included; 10 ms steps. */
export function cpuSeconds(pid) {
  const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
  const f = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(f[11]) + Number(f[12])) / TICKS;
}

/** Peak resident memory in bytes. */
export function peakBytes(pid) {
  const m = /VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, "latin1"));
  return m === null ? 0 : Number(m[1]) * 1024;
}

export const wallSeconds = () => Number(process.hrtime.bigint()) / 1e9;

export const loadAverage = () => os.loadavg()[0];

/** CPU seconds of the whole machine, and those the hypervisor gave to others. */
export function busySeconds() {
  const f = readFileSync("/proc/stat", "latin1").split("\n")[0].trim().split(/\s+/).slice(1).map(Number);
  const [user, nice, system, , , irq, softirq, steal] = f;
  return { busy: (user + nice + system + irq + softirq) / TICKS, steal: steal / TICKS };
}

/** The measured stretch of a run against a server: phases one after the other, and what other processes took meanwhile. */
export class Stretch {
  #server;
  #cpu;
  #wall;
  #first;
  #phases = {};

  constructor(server) {
    this.#server = server;
    this.#first = { cpu: server.cpu(), busy: busySeconds().busy, driver: process.cpuUsage(), wall: wallSeconds() };
    this.#cpu = this.#first.cpu;
    this.#wall = this.#first.wall;
  }

  /** Ends the phase that began at the last mark. */
  mark(name) {
    const [cpu, wall] = [this.#server.cpu(), wallSeconds()];
    this.#phases[name] = { wallS: wall - this.#wall, cpuS: cpu - this.#cpu };
    this.#cpu = cpu;
    this.#wall = wall;
  }

  end() {
    const driver = process.cpuUsage(this.#first.driver);
    const [cpuS, driverS, wallS] = [
      this.#cpu - this.#first.cpu,
      (driver.user + driver.system) / 1e6,
      this.#wall - this.#first.wall,
    ];
    const foreignS = Math.max(0, busySeconds().busy - this.#first.busy - cpuS - driverS);
    return {
      wallS,
      cpuS,
      driverS,
      peakBytes: this.#server.peak(),
      foreignShare: foreignS / (wallS * os.availableParallelism()),
      phases: this.#phases,
    };
  }
}

export function machine() {
  const info = readFileSync("/proc/cpuinfo", "utf8");
  const model = /model name\s*:\s*(.*)/.exec(info)?.[1] ?? os.arch();
  const flags = /flags\s*:\s*(.*)/.exec(info)?.[1] ?? "";
  return {
    cpu: model.trim(),
    cores: os.availableParallelism(),
    shaNi: / sha_ni\b/.test(flags),
    memoryGiB: Math.round(os.totalmem() / 2 ** 30),
    kernel: os.release(),
    isVirtual: / hypervisor\b/.test(flags),
    node: process.version,
  };
}

export function firstLine(file, args) {
  try {
    return execFileSync(file, args, { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] })
      .split("\n")[0]
      .trim();
  } catch (e) {
    /* wrk prints its version and exits with 1. */
    return (
      String(e.stdout ?? "")
        .split("\n")[0]
        .trim() || "?"
    );
  }
}

export function spread(values) {
  const v = [...values].sort((a, b) => a - b);
  const mid = v.length >> 1;
  return { min: v[0], median: v.length % 2 ? v[mid] : (v[mid - 1] + v[mid]) / 2, max: v[v.length - 1], runs: v.length };
}
