// Trees of frames. Node 0 is the root, which has no frame (-1); a parent's number is below its
// children's. `self` is the weight of the stacks that end at a node, `total` that of all through it;
// `before` and `totalBefore` are the same of the profile it is compared with.

class Builder {
  constructor(compared) {
    this.frame = [-1];
    this.parent = [-1];
    this.self = [0];
    this.before = compared ? [0] : null;
    this.children = new Map(); // Of nodes that more may be merged into.
  }

  add(parent, frame) {
    const node = this.frame.length;
    this.frame.push(frame);
    this.parent.push(parent);
    this.self.push(0);
    if (this.before) this.before.push(0);
    return node;
  }

  // The child with a frame, made if there is none.
  child(parent, frame) {
    const key = parent * 4194304 + frame;
    let node = this.children.get(key);
    if (node === undefined) {
      node = this.add(parent, frame);
      this.children.set(key, node);
    }
    return node;
  }

  give(node, self, before) {
    this.self[node] += self;
    if (this.before) this.before[node] += before;
  }

  finish() {
    return new Tree(this.frame, this.parent, this.self, this.before);
  }
}

class Tree {
  // `origin`: of each node of the whole profile, the one here; null if they are the same.
  constructor(frame, parent, self, before, origin = null) {
    const count = frame.length;
    this.count = count;
    this.origin = origin;
    this.frame = Int32Array.from(frame);
    this.parent = Int32Array.from(parent);
    this.depth = new Int32Array(count);
    this.first = new Int32Array(count).fill(-1);
    this.next = new Int32Array(count).fill(-1);
    this.deepest = 0;
    for (let node = count - 1; node > 0; node--) {
      const up = this.parent[node];
      this.next[node] = this.first[up];
      this.first[up] = node;
    }
    for (let node = 1; node < count; node++) {
      this.depth[node] = this.depth[this.parent[node]] + 1;
      if (this.depth[node] > this.deepest) this.deepest = this.depth[node];
    }
    this.weigh(Float64Array.from(self), before ? Float64Array.from(before) : null);
  }

  weigh(self, before) {
    this.self = self;
    this.before = before;
    this.total = Float64Array.from(self);
    this.totalBefore = before ? Float64Array.from(before) : null;
    for (let node = this.count - 1; node > 0; node--) {
      const up = this.parent[node];
      this.total[up] += this.total[node];
      if (before) this.totalBefore[up] += this.totalBefore[node];
    }
    this.compare(null);
  }

  // What weights before are multiplied by: so that two numbers are equal, or the totals are.
  compare(pair) {
    const [now, then] = pair || [this.total[0], this.totalBefore ? this.totalBefore[0] : 0];
    this.factor = now && then ? now / then : 1;
  }

  // The same nodes with other weights.
  weighed(self, before) {
    const other = Object.create(Tree.prototype);
    Object.assign(other, this);
    other.weigh(self, before);
    return other;
  }

  // Where nodes of the whole profile have gone, if this tree's went to `place`.
  placed(place) {
    return this.origin ? this.origin.map((node) => (node < 0 ? -1 : place[node])) : place;
  }

  *childrenOf(node) {
    for (let child = this.first[node]; child >= 0; child = this.next[child]) yield child;
  }

  // Frames from the root to a node.
  path(node) {
    const found = [];
    for (; node > 0; node = this.parent[node]) found.push(this.frame[node]);
    return found.reverse();
  }

  // The node that a path leads to; the last there is, where it ends early.
  at(path) {
    let node = 0;
    for (const frame of path) {
      let found = -1;
      for (const child of this.childrenOf(node)) if (this.frame[child] === frame) found = child;
      if (found < 0) break;
      node = found;
    }
    return node;
  }

  // What changes are parts of.
  get whole() {
    return this.total[0] || this.totalBefore[0] * this.factor || 1;
  }

  // How much a node grew, as a share of the whole.
  change(node) {
    return this.totalBefore ? this.changed(this.total[node], this.totalBefore[node]) : 0;
  }

  changed(now, then) {
    return (now - then * this.factor) / this.whole;
  }

  // The same stacks with other frames: `map` gives a frame's place holder, or -1 to leave it out.
  // With `fold` a frame right above the same is one with it.
  mapped(map, fold) {
    const builder = new Builder(this.before !== null);
    const place = new Int32Array(this.count);
    for (let node = 1; node < this.count; node++) {
      const up = place[this.parent[node]];
      const frame = map(this.frame[node]);
      const same = fold && builder.frame[up] === frame;
      place[node] = frame < 0 || same ? up : builder.child(up, frame);
      builder.give(place[node], this.self[node], this.before ? this.before[node] : 0);
    }
    return this.made(builder, place);
  }

  made(builder, place) {
    const tree = builder.finish();
    tree.origin = this.placed(place);
    tree.factor = this.factor;
    return tree;
  }

  // What one function calls, from its outermost calls on, all of them merged.
  from(frame) {
    const builder = new Builder(this.before !== null);
    const place = new Int32Array(this.count).fill(-1);
    for (let node = 1; node < this.count; node++) {
      const up = place[this.parent[node]];
      if (up < 0 && this.frame[node] !== frame) continue;
      place[node] = builder.child(up < 0 ? 0 : up, this.frame[node]);
      builder.give(place[node], this.self[node], this.before ? this.before[node] : 0);
    }
    return this.made(builder, place);
  }

  // Who calls one function: its callers stand on it.
  callersOf(frame) {
    const builder = new Builder(this.before !== null);
    const inside = new Uint8Array(this.count);
    for (let node = 1; node < this.count; node++) {
      const up = this.parent[node];
      inside[node] = inside[up] || this.frame[up] === frame ? 1 : 0;
      if (this.frame[node] !== frame || inside[node]) continue;
      let place = builder.child(0, frame);
      for (let caller = up; caller > 0; caller = this.parent[caller]) {
        place = builder.child(place, this.frame[caller]);
      }
      builder.give(place, this.total[node], this.totalBefore ? this.totalBefore[node] : 0);
    }
    const tree = builder.finish();
    tree.factor = this.factor;
    return tree;
  }

  // Of each function: self and total, recursion counted once.
  functions(count) {
    const self = new Float64Array(count);
    const total = new Float64Array(count);
    const selfBefore = new Float64Array(count);
    const totalBefore = new Float64Array(count);
    const open = new Int32Array(count);
    const path = [];
    const leave = (depth) => {
      while (path.length > depth) open[path.pop()]--;
    };
    // Depth first, whatever the order of numbers is.
    const waiting = [0];
    while (waiting.length) {
      const node = waiting.pop();
      leave(Math.max(this.depth[node] - 1, 0));
      if (node > 0) {
        const frame = this.frame[node];
        self[frame] += this.self[node];
        if (this.before) selfBefore[frame] += this.before[node];
        if (!open[frame]) {
          total[frame] += this.total[node];
          if (this.before) totalBefore[frame] += this.totalBefore[node];
        }
        open[frame]++;
        path.push(frame);
      }
      for (const child of this.childrenOf(node)) waiting.push(child);
    }
    return { self, total, selfBefore, totalBefore };
  }
}

// What happened to a weight: "new", "gone", "grown", "shrunk" or "same".
function fate(tree, now, then) {
  if (!then) return now ? "new" : "same";
  if (!now) return "gone";
  const change = tree.changed(now, then);
  return Math.abs(change) < 1e-9 ? "same" : change > 0 ? "grown" : "shrunk";
}
