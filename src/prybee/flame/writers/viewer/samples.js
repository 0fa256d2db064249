// The samples one by one, in the order of time: `node` of the tree that each ends at, `time`
// (nanoseconds from the first, or sums of weights where there is no clock), `weight`. Those of the
// profile that is compared stand behind the others. `fields` are what they can be told apart by.

class Samples {
  constructor(head, number, scale) {
    const [after, before] = head.count;
    const count = after + before;
    Object.assign(this, { count, after, clock: head.clock, spans: head.spans });
    const column = (Kind) => {
      const values = new Kind(count);
      for (let at = 0; at < count; at++) values[at] = number();
      return values;
    };
    this.node = column(Uint32Array);
    this.time = new Float64Array(count);
    if (head.clock) {
      let now = 0;
      for (let at = 0; at < count; at++) {
        now = (at === after ? 0 : now) + number() * head.tick;
        this.time[at] = now;
      }
    }
    this.weight = head.weight === null ? column(Float64Array) : new Float64Array(count).fill(head.weight);
    for (let at = 0; at < count; at++) this.weight[at] /= scale;
    this.thread = head.threads.length > 1 ? column(Uint32Array) : new Uint32Array(count);
    this.threads = head.threads;
    this.fields = [];
    this.addThreads();
    if (head.cpus) {
      const cpus = column(Uint32Array);
      this.add("cpu", "CPUs", cpus, (value) => (value ? `CPU ${value - 1}` : "not known"));
    }
    for (const [name, values] of head.labels) {
      const title = name === "state" ? "States" : name;
      this.add("label-" + name, title, column(Uint32Array), (value) => values[value] || "none");
    }
    this.end = [this.latest(0), this.latest(1)];
    this.period = this.usual();
  }

  addThreads() {
    const { threads } = this;
    const numbers = (pid, tid) => (pid || tid ? ` (${pid === tid ? pid : `${pid}/${tid}`})` : "");
    this.threadNames = threads.map(([pid, tid, name]) => (name || "?") + numbers(pid, tid));
    const processes = new Map();
    for (const [pid, , name] of threads) if (!processes.has(pid)) processes.set(pid, `${pid} (${name || "?"})`);
    if (processes.size > 1) {
      const order = [...processes.keys()];
      const of = threads.map(([pid]) => order.indexOf(pid));
      this.add("process", "Processes", this.thread.map((thread) => of[thread]), (value) => processes.get(order[value]));
    }
    if (threads.length > 1) this.add("thread", "Threads", this.thread, (value) => this.threadNames[value]);
  }

  add(id, title, column, text) {
    this.fields.push({ id, title, column, text });
  }

  // [first, behind the last] of a profile: 0 for what is shown, 1 for what it is compared with.
  part(which) {
    return which ? [this.after, this.count] : [0, this.after];
  }

  // Nanoseconds that a weight is, where it is a time.
  length(at) {
    return this.clock === "order" ? this.weight[at] : this.weight[at] * (TIMES[about.unit] || 1);
  }

  latest(which) {
    const [first, end] = this.part(which);
    let latest = 0;
    for (let at = first; at < end; at++) {
      latest = Math.max(latest, this.time[at] + (this.spans || this.clock === "order" ? this.length(at) : 0));
    }
    return latest;
  }

  // The usual time between samples of a thread.
  usual() {
    const last = new Map();
    const gaps = [];
    for (let at = 0; at < this.after; at++) {
      const gap = this.time[at] - (last.get(this.thread[at]) ?? Infinity);
      if (gap > 0) gaps.push(gap);
      last.set(this.thread[at], this.time[at]);
    }
    gaps.sort((a, b) => a - b);
    return gaps[(gaps.length - 1) >> 1] || 1e6;
  }

  // Which samples are of the values in `where` (field to set), but for one field; null for all.
  mask(where, but = "") {
    const tests = this.fields.filter((field) => field.id !== but && where.has(field.id));
    if (!tests.length) return null;
    const mask = new Uint8Array(this.count).fill(1);
    for (const field of tests) {
      const wanted = where.get(field.id);
      for (let at = 0; at < this.count; at++) if (!wanted.has(field.column[at])) mask[at] = 0;
    }
    return mask;
  }

  // Weights of the tree's nodes, and how many samples those are, of a part in a range of time.
  weights(nodes, which, mask, range) {
    const [first, end] = this.part(which);
    const self = new Float64Array(nodes);
    let count = 0;
    for (let at = first; at < end; at++) {
      if (mask && !mask[at]) continue;
      if (range && !this.within(at, range)) continue;
      self[this.node[at]] += this.weight[at];
      count++;
    }
    return { self, count };
  }

  within(at, [from, to]) {
    return this.time[at] >= from && this.time[at] < to;
  }
}

const TIMES = { ns: 1, us: 1e3, ms: 1e6, s: 1e9 };

// A time in seconds, with as much of a fraction as a step needs.
function seconds(time, step = 1e6) {
  const digits = Math.max(0, Math.min(9, 9 - Math.floor(Math.log10(step))));
  return (time / 1e9).toFixed(digits);
}

// A time on an axis that goes to `end`, in the unit for that.
function moment(time, step, end) {
  const [size, name] = [[1e9, "s"], [1e6, "ms"], [1e3, "µs"]].find(([each]) => end >= each) || [1, "ns"];
  return `${(time / size).toFixed(Math.max(0, Math.round(Math.log10(size)) - Math.floor(Math.log10(step))))} ${name}`;
}

function duration(time) {
  for (const [size, name] of [[1e9, "s"], [1e6, "ms"], [1e3, "µs"]]) {
    if (time >= size) return `${+(time / size).toPrecision(4)} ${name}`;
  }
  return `${Math.round(time)} ns`;
}
