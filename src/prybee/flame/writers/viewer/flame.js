// A flame graph on a canvas. Only what can be seen is drawn, so that size does not matter.

const ROW = 18;
const NARROW = 0.4; // Pixels below which nothing is drawn.

class Flame {
  // `page` knows names, colours, what is found; `inverted`: the root is above.
  constructor(page, host, inverted, tree, onZoom) {
    Object.assign(this, { page, host, inverted, tree, onZoom });
    this.canvas = document.createElement("canvas");
    this.canvas.setAttribute("role", "img");
    this.canvas.setAttribute("aria-label", "Flame graph; the view Table has the same as text");
    this.spacer = document.createElement("div");
    host.replaceChildren(this.canvas, this.spacer);
    this.zoomed = 0;
    this.current = -1;
    this.drawn = []; // What stands where: [node, x, y, width].
    this.waiting = false;
    host.onscroll = () => this.later();
    this.canvas.onmousemove = (event) => this.hover(event);
    this.canvas.onmouseleave = () => this.page.describe(tree, -1);
    this.canvas.onclick = (event) => this.click(event);
    this.canvas.ondblclick = () => this.zoom(0);
    this.observer = new ResizeObserver(() => this.later());
    this.observer.observe(host);
  }

  close() {
    this.observer.disconnect();
    this.host.onscroll = null;
  }

  later() {
    if (this.waiting) return;
    this.waiting = true;
    requestAnimationFrame(() => {
      this.waiting = false;
      this.draw();
    });
  }

  weight(node) {
    return this.widths()[0][node];
  }

  // The children, as the order of the page has them.
  children(node) {
    const { first, next } = this.tree;
    const found = [];
    for (let child = first[node]; child >= 0; child = next[child]) found.push(child);
    if (this.page.state.order === "heavy") found.sort((a, b) => this.weight(b) - this.weight(a));
    return found;
  }

  // The weights that widths show.
  widths() {
    const { tree, page } = this;
    if (!tree.totalBefore || page.state.width === "after") return [tree.total, tree.self];
    if (page.state.width === "before") return [tree.totalBefore, tree.before];
    // Those before as they are compared.
    const sum = (one, other) => one.map((value, node) => value + other[node] * tree.factor);
    this.both ??= [sum(tree.total, tree.totalBefore), sum(tree.self, tree.before)];
    return this.both;
  }

  // Calls `each(node, x, row, width, behind)` for what is wide enough, the zoomed one at full width.
  walk(width, each) {
    const { tree } = this;
    for (let node = this.zoomed; ; node = tree.parent[node]) {
      each(node, 0, tree.depth[node], width, node !== this.zoomed);
      if (node <= 0) break;
    }
    const [total, self] = this.widths();
    const { first, next, depth } = tree;
    const byName = this.page.state.order === "name";
    if (!total[this.zoomed]) return;
    const scale = width / total[this.zoomed];
    const waiting = [this.zoomed];
    const starts = [0];
    while (waiting.length) {
      const node = waiting.pop();
      // What a function does by itself is left of what it calls in the order of names, and right in
      // that of weights.
      let x = starts.pop() + (byName ? self[node] * scale : 0);
      const visit = (child) => {
        const wide = total[child] * scale;
        if (wide >= NARROW) {
          each(child, x, depth[child], wide, false);
          if (first[child] >= 0) {
            waiting.push(child);
            starts.push(x);
          }
        }
        x += wide;
      };
      if (byName) for (let child = first[node]; child >= 0; child = next[child]) visit(child);
      else this.children(node).forEach(visit);
    }
  }

  rows() {
    return this.tree.deepest + 1;
  }

  top(row) {
    return this.inverted ? row * ROW : (this.rows() - 1 - row) * ROW;
  }

  draw() {
    const { canvas, host } = this;
    const width = host.clientWidth;
    const height = host.clientHeight;
    if (!width || !height) return;
    const whole = Math.max(this.rows() * ROW, height);
    this.spacer.style.height = Math.max(whole - height, 0) + "px";
    if (this.fresh !== false) {
      // Flames stand on the ground.
      host.scrollTop = this.inverted ? 0 : whole;
      this.fresh = false;
    }
    const context = sized(canvas, width, height);
    context.textBaseline = "middle";
    const shift = this.inverted ? 0 : Math.max(height - this.rows() * ROW, 0);
    this.drawn = [];
    this.walk(width, (node, x, row, wide, behind) => {
      const y = this.top(row) - host.scrollTop + shift;
      if (y <= -ROW || y >= height) return;
      this.drawn.push([node, x, y, wide]);
      this.box(context, node, x, y, wide, behind);
    });
  }

  box(context, node, x, y, wide, behind) {
    const { page, tree } = this;
    context.globalAlpha = page.isDim(tree, node) ? 0.2 : behind ? 0.55 : 1;
    context.fillStyle = page.colour(tree, node);
    const gap = wide > 3 ? 0.5 : 0;
    context.fillRect(x, y, Math.max(wide - gap, NARROW), ROW - 1);
    if (node === this.current) {
      context.strokeStyle = page.dark() ? "#fff" : "#000";
      context.lineWidth = 2;
      context.strokeRect(x + 1, y + 1, Math.max(wide - 2, 1), ROW - 3);
    }
    if (wide > 24) {
      context.fillStyle = "#111";
      context.fillText(fitting(context, page.label(tree, node), wide - 8), x + 4, y + ROW / 2);
    }
    context.globalAlpha = 1;
  }

  under(event) {
    const x = event.offsetX;
    const y = event.offsetY;
    const found = this.drawn.find((b) => x >= b[1] && x < b[1] + b[3] && y >= b[2] && y < b[2] + ROW);
    return found ? found[0] : -1;
  }

  hover(event) {
    const node = this.under(event);
    this.canvas.style.cursor = node < 0 ? "default" : "pointer";
    this.page.describe(this.tree, node);
  }

  click(event) {
    const node = this.under(event);
    if (node < 0) return;
    this.current = node;
    this.zoom(node);
  }

  // The function of the current box; -1 if there is none.
  frame() {
    return this.current > 0 ? this.tree.frame[this.current] : -1;
  }

  zoom(node = this.current) {
    if (node < 0) return;
    this.zoomed = node;
    this.onZoom(node);
    this.later();
  }

  // The frame above (1), below (-1), left or right of the current one.
  move(direction) {
    const { tree } = this;
    let node = this.current < 0 ? this.zoomed : this.current;
    const siblings = () => (node > 0 ? this.children(tree.parent[node]) : [0]);
    if (direction === "out") node = node > 0 ? tree.parent[node] : 0;
    else if (direction === "in") node = this.children(node).sort((a, b) => this.weight(b) - this.weight(a))[0] ?? node;
    else {
      const all = siblings();
      const at = all.indexOf(node) + (direction === "right" ? 1 : -1);
      node = all[Math.min(Math.max(at, 0), all.length - 1)];
    }
    this.current = node;
    const y = this.top(tree.depth[node]);
    if (y < this.host.scrollTop) this.host.scrollTop = y;
    else if (y + ROW > this.host.scrollTop + this.host.clientHeight) {
      this.host.scrollTop = y + ROW - this.host.clientHeight;
    }
    this.page.describe(tree, node);
    this.later();
  }
}

// A canvas of a size in the page's pixels, empty.
function sized(canvas, width, height) {
  const dense = window.devicePixelRatio || 1;
  if (canvas.width !== Math.round(width * dense) || canvas.height !== Math.round(height * dense)) {
    canvas.width = Math.round(width * dense);
    canvas.height = Math.round(height * dense);
    canvas.style.width = width + "px";
    canvas.style.height = height + "px";
  }
  const context = canvas.getContext("2d");
  context.setTransform(dense, 0, 0, dense, 0, 0);
  context.clearRect(0, 0, width, height);
  context.font = "12px system-ui, sans-serif";
  return context;
}

// As much of a text as fits.
function fitting(context, text, room) {
  if (context.measureText(text).width <= room) return text;
  let low = 0;
  let high = text.length;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (context.measureText(text.slice(0, middle) + "…").width <= room) low = middle;
    else high = middle - 1;
  }
  return low > 1 ? text.slice(0, low) + "…" : "";
}
