// What each thread did, from left to right in the order of time: a flame chart.

const AXIS = 18; // Pixels of the times above.
const LANES = 24; // Threads that are shown; the heaviest. Others can be chosen by the filter.
const TOGETHER = 2; // A sample lasts until the next, if that comes within so many usual times.

// The boxes of one depth, in order.
class Row {
  constructor() {
    this.node = [];
    this.begin = [];
    this.end = [];
  }

  // The first that ends behind a time, from `low` on.
  after(time, low = 0) {
    const { end } = this;
    let high = end.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (end[middle] > time) high = middle;
      else low = middle + 1;
    }
    return low;
  }
}

class Lane {
  constructor(tree, thread) {
    Object.assign(this, { tree, thread, rows: [], weight: 0 });
    this.open = []; // Nodes, and since when.
    this.since = [];
    this.ended = -1;
  }

  // A stack from one time to another, not before that of the last.
  add(node, begin, end) {
    const { depth, parent } = this.tree;
    if (begin > this.ended) this.close(0, this.ended);
    const deep = depth[node];
    // The lowest frame that is not the same as before.
    let other = deep + 1;
    for (let up = node, at = deep; at > 0; up = parent[up], at--) if (this.open[at - 1] !== up) other = at;
    this.close(other - 1, begin);
    for (let up = node, at = deep; at >= other; up = parent[up], at--) {
      this.open[at - 1] = up;
      this.since[at - 1] = begin;
    }
    this.open.length = deep;
    this.ended = end;
  }

  // Ends all frames above a depth.
  close(depth, time) {
    for (let at = depth; at < this.open.length; at++) {
      const row = (this.rows[at] ??= new Row());
      row.node.push(this.open[at]);
      row.begin.push(this.since[at]);
      row.end.push(time);
    }
    this.open.length = Math.min(this.open.length, depth);
  }
}

function lanesOf(samples, tree, selected) {
  const lanes = new Map();
  const first = [];
  // Samples of each thread, in order.
  for (let at = 0; at < samples.after; at++) {
    if (selected && !selected(at)) continue;
    const node = tree.origin ? tree.origin[samples.node[at]] : samples.node[at];
    const thread = samples.thread[at];
    if (!lanes.has(thread)) {
      lanes.set(thread, new Lane(tree, thread));
      first[thread] = [];
    }
    lanes.get(thread).weight += node > 0 ? samples.weight[at] : 0;
    first[thread].push(at);
  }
  const found = [...lanes.values()].filter((lane) => lane.weight).sort((a, b) => b.weight - a.weight);
  for (const lane of found.slice(0, LANES)) {
    const own = first[lane.thread];
    own.forEach((at, place) => {
      const node = tree.origin ? tree.origin[samples.node[at]] : samples.node[at];
      if (node <= 0) return;
      const begin = samples.time[at];
      const next = place + 1 < own.length ? samples.time[own[place + 1]] : Infinity;
      let end = begin + samples.period;
      if (samples.spans || samples.clock === "order") end = begin + samples.length(at);
      else if (next - begin <= TOGETHER * samples.period) end = next;
      end = Math.min(end, next);
      if (end > begin) lane.add(node, begin, end);
    });
    lane.close(0, lane.ended);
  }
  return found;
}

class Chart {
  constructor(page, host, tree) {
    Object.assign(this, { page, host, tree, inverted: true });
    const { samples } = page;
    const lanes = lanesOf(samples, tree, page.selector());
    this.hidden = Math.max(lanes.length - LANES, 0);
    this.lanes = lanes.slice(0, LANES);
    this.lanes.sort((a, b) => a.thread - b.thread);
    this.count = 0;
    for (const lane of this.lanes) {
      lane.top = this.count;
      this.count += lane.rows.length + 1;
    }
    if (this.hidden) this.count++;
    this.canvas = element("canvas", { role: "img", "aria-label": "Flame chart over time; the view Table has its functions as text" });
    this.spacer = element("div");
    host.replaceChildren(this.canvas, this.spacer);
    this.current = null; // [lane, row, number].
    this.drawn = []; // What stands where: [node, x, y, width, box].
    const { canvas } = this;
    host.onscroll = () => this.later();
    canvas.onpointerdown = (event) => {
      canvas.setPointerCapture(event.pointerId);
      this.pressed = event.offsetX;
      this.moved = event.offsetX;
    };
    canvas.onpointermove = (event) => {
      if (this.pressed !== undefined) {
        this.moved = event.offsetX;
        this.later();
      } else this.hover(event);
    };
    canvas.onpointerup = (event) => this.released(event);
    canvas.onmouseleave = () => page.describe(tree, -1);
    canvas.ondblclick = () => this.look(...this.whole());
    canvas.onwheel = (event) => this.wheel(event);
    this.observer = new ResizeObserver(() => this.later());
    this.observer.observe(host);
  }

  close() {
    this.observer.disconnect();
    this.host.onscroll = null;
  }

  later = Flame.prototype.later;

  // All that there is.
  whole() {
    return this.page.range || [0, this.page.samples.end[0] || 1];
  }

  // What is seen.
  window() {
    return rangeOf(this.page.state.window) || this.whole();
  }

  look(from, to, step = true) {
    const [first, last] = this.whole();
    const wide = Math.round(Math.min(Math.max(to - from, (last - first) / 1e7, 1), last - first));
    const begin = Math.round(Math.min(Math.max(from, first), last - wide));
    const all = begin <= first && wide >= last - first;
    this.page.state.set({ window: all ? "" : `${begin}-${begin + wide}` }, step);
  }

  rows() {
    return this.count;
  }

  top(row) {
    return row * ROW;
  }

  // Calls `each(node, x, row, width, behind, box)` for what can be seen; boxes that are less than a
  // pixel are passed over together.
  walk(width, each, top = 0, bottom = this.count) {
    const [from, to] = this.window();
    const scale = width / (to - from);
    for (const lane of this.lanes) {
      lane.rows.forEach((row, depth) => {
        const place = lane.top + 1 + depth;
        if (place < top || place > bottom) return;
        for (let at = row.after(from); at < row.node.length && row.begin[at] < to; ) {
          const x = Math.max((row.begin[at] - from) * scale, 0);
          const wide = Math.min((row.end[at] - from) * scale, width) - x;
          each(row.node[at], x, place, Math.max(wide, NARROW), false, [lane, depth, at]);
          at = wide < 1 ? row.after(from + (x + 1) / scale, at + 1) : at + 1;
        }
      });
    }
  }

  draw() {
    const { canvas, host, page } = this;
    const width = host.clientWidth;
    const height = host.clientHeight;
    if (!width || !height) return;
    this.spacer.style.height = Math.max(this.count * ROW + AXIS - height, 0) + "px";
    const context = sized(canvas, width, height);
    context.textBaseline = "middle";
    this.drawn = [];
    const scroll = host.scrollTop;
    const y = (row) => AXIS + this.top(row) - scroll;
    const top = Math.floor((scroll - AXIS) / ROW);
    const paint = Flame.prototype.box;
    const self = { page, tree: this.tree, current: -1 };
    this.walk(
      width,
      (node, x, row, wide, _, box) => {
        this.drawn.push([node, x, y(row), wide, box]);
        self.current = this.current && box.every((value, at) => value === this.current[at]) ? node : -1;
        paint.call(self, context, node, x, y(row), wide, false);
      },
      top,
      top + height / ROW + 2,
    );
    context.fillStyle = page.dark() ? "#e8e8e8" : "#1a1a1a";
    context.font = "bold 12px system-ui, sans-serif";
    for (const lane of this.lanes) context.fillText(page.samples.threadNames[lane.thread], 4, y(lane.top) + ROW / 2);
    if (this.hidden) context.fillText(`${this.hidden} more threads: choose them by the filter`, 4, y(this.count - 1) + ROW / 2);
    this.axis(context, width);
    if (this.pressed !== undefined) {
      context.fillStyle = "#8888";
      context.fillRect(Math.min(this.pressed, this.moved), 0, Math.abs(this.moved - this.pressed), height);
    }
  }

  axis(context, width) {
    const [from, to] = this.window();
    const dark = this.page.dark();
    context.fillStyle = dark ? "#16181c" : "#fff";
    context.fillRect(0, 0, width, AXIS);
    context.fillStyle = dark ? "#ccc" : "#333";
    context.font = "11px system-ui, sans-serif";
    const rough = ((to - from) * 90) / width;
    const power = 10 ** Math.floor(Math.log10(rough));
    const step = [1, 2, 5, 10].map((times) => times * power).find((each) => each >= rough);
    const clock = this.page.samples.clock === "ns";
    for (let at = Math.ceil(from / step) * step; at < to; at += step) {
      const x = ((at - from) * width) / (to - from);
      context.fillRect(x, 0, 1, AXIS);
      context.fillText(clock ? moment(at, step, to) : String(Math.round(at)), x + 3, AXIS / 2);
    }
  }

  under(event) {
    if (event.offsetY < AXIS) return undefined;
    return this.drawn.find(([, x, y, wide]) => event.offsetX >= x && event.offsetX < x + wide && event.offsetY >= y && event.offsetY < y + ROW);
  }

  hover(event) {
    const found = this.under(event);
    this.canvas.style.cursor = found ? "pointer" : "default";
    if (found) this.tell(found[4]);
    else this.page.describe(this.tree, -1);
  }

  tell([lane, depth, at]) {
    const row = lane.rows[depth];
    const clock = this.page.samples.clock === "ns";
    const long = row.end[at] - row.begin[at];
    const when = clock ? `${duration(long)} from ${seconds(row.begin[at], Math.max(long, 1))} s` : `${long} ${about.unit} from ${row.begin[at]}`;
    byId("details").textContent = `${this.page.name(this.tree, row.node[at])}: ${when}, ${this.page.samples.threadNames[lane.thread]}`;
  }

  released(event) {
    const pressed = this.pressed;
    this.pressed = undefined;
    if (pressed === undefined) return;
    if (Math.abs(event.offsetX - pressed) > 4) {
      const [from, to] = this.window();
      const time = (x) => from + (Math.max(x, 0) * (to - from)) / this.host.clientWidth;
      this.look(...[time(pressed), time(event.offsetX)].sort((a, b) => a - b));
      return;
    }
    const found = this.under(event);
    if (found) {
      this.current = found[4];
      this.zoom();
    } else this.later();
  }

  // To the current box.
  zoom() {
    if (!this.current) return;
    const [lane, depth, at] = this.current;
    this.look(lane.rows[depth].begin[at], lane.rows[depth].end[at]);
  }

  wheel(event) {
    const [from, to] = this.window();
    const part = event.offsetX / this.host.clientWidth;
    if (event.ctrlKey || event.metaKey) this.nearer(Math.exp(event.deltaY / 300), part, false);
    else if (event.deltaX) {
      const shift = (event.deltaX * (to - from)) / this.host.clientWidth;
      this.look(from + shift, to + shift, false);
    } else return;
    event.preventDefault();
  }

  nearer(times, part = 0.5, step = true) {
    const [from, to] = this.window();
    const at = from + (to - from) * part;
    this.look(at - (at - from) * times, at + (to - at) * times, step);
  }

  // The box before, behind, below or above the current one.
  move(direction) {
    const { lanes } = this;
    if (!lanes.length) return;
    let [lane, depth, at] = this.current || [lanes[0], 0, lanes[0].rows[0].after(this.window()[0])];
    const step = direction === "in" || direction === "right" ? 1 : -1;
    if (!this.current) {
      at = Math.min(at, lane.rows[0].node.length - 1);
    } else if (direction === "left" || direction === "right") {
      at = Math.min(Math.max(at + step, 0), lane.rows[depth].node.length - 1);
    } else {
      const time = lane.rows[depth].begin[at];
      const beside = lanes[lanes.indexOf(lane) + step];
      const next = lane.rows[depth + step];
      if (next && next.after(time) < next.node.length) depth += step;
      else if (beside) {
        lane = beside;
        depth = 0;
      }
      at = Math.min(lane.rows[depth].after(time), lane.rows[depth].node.length - 1);
    }
    this.current = [lane, depth, at];
    const y = this.top(lane.top + 1 + depth);
    const { host } = this;
    if (y < host.scrollTop) host.scrollTop = y;
    else if (y + ROW + AXIS > host.scrollTop + host.clientHeight) host.scrollTop = y + ROW + AXIS - host.clientHeight;
    const [from, to] = this.window();
    const row = lane.rows[depth];
    if (row.end[at] <= from || row.begin[at] >= to) this.look(row.begin[at] - (to - from) / 2, row.begin[at] + (to - from) / 2, false);
    this.tell(this.current);
    this.later();
  }

  frame() {
    return this.current ? this.tree.frame[this.current[0].rows[this.current[1]].node[this.current[2]]] : -1;
  }
}
