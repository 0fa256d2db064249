// The page: its controls, and what they do to the profile before a view shows it.

const byId = (id) => document.getElementById(id);

class Page {
  constructor({ frames, tree, samples }) {
    this.frames = frames;
    this.whole = tree;
    this.samples = samples;
    this.state = new State();
    this.found = new Uint8Array(frames.names.length);
    this.colours = new Map();
    this.view = null;
    this.steps = [];
    this.placeholders();
    this.controls();
    this.filters = samples && new Filters(this);
    this.heat = samples && samples.clock === "ns" ? new HeatMap(this) : null;
    this.state.listeners.push(() => this.show());
    this.show();
  }

  // Modules stand for their functions where those are merged: they are frames as well.
  placeholders() {
    const { names, kinds, modules } = this.frames;
    const known = new Map();
    this.moduleOf = names.map((name, frame) => {
      const module = modules[frame] || (kinds[frame] ? `[${kinds[frame]}]` : "[unknown]");
      const key = module + "\n" + kinds[frame];
      if (!known.has(key)) {
        known.set(key, names.length + known.size);
      }
      return known.get(key);
    });
    for (const key of known.keys()) {
      const [module, kind] = key.split("\n");
      names.push(module.split("/").pop() || module);
      kinds.push(kind);
      modules.push(module);
    }
    this.found = new Uint8Array(names.length);
  }

  // The profile as the controls have it.
  profile() {
    const { state } = this;
    const key = [state.only, state.hidden, state.merge, state.recursion, state.where, state.range, state.base, state.by].join("|");
    if (key === this.made) return this.tree;
    this.made = key;
    this.where = conditions(state.where);
    this.range = this.samples && rangeOf(state.range);
    this.base = this.samples && !about.compared ? rangeOf(state.base) : null;
    this.compared = about.compared || Boolean(this.base);
    let tree = this.narrow(this.whole);
    if (state.only) tree = tree.from(+state.only);
    const hidden = new Set(state.list("hidden"));
    if (hidden.size || state.merge || state.recursion) {
      const map = (frame) => (hidden.has(frame) ? -1 : state.merge ? this.moduleOf[frame] : frame);
      tree = tree.mapped(map, Boolean(state.recursion || state.merge));
    }
    this.tree = tree;
    this.most = 0;
    for (let node = 1; this.compared && node < tree.count; node++) {
      this.most = Math.max(this.most, Math.abs(tree.change(node)));
    }
    return tree;
  }

  // With the weights that the filters leave, made comparable.
  narrow(tree) {
    const { samples, range, base, state } = this;
    const mask = samples && samples.mask(this.where);
    let counts = about.samples;
    let times = about.seconds;
    if (mask || range || base) {
      const now = samples.weights(tree.count, 0, mask, range);
      const then = base ? samples.weights(tree.count, 0, mask, base) : about.compared ? samples.weights(tree.count, 1, mask, range) : null;
      tree = tree.weighed(now.self, then && then.self);
      counts = [now.count, then && then.count];
      const long = (given, which) => (given ? given[1] - given[0] : samples.end[which]);
      times = [long(range, 0), base ? long(base) : long(range, 1)];
    }
    const pair = { samples: counts, time: times, none: [1, 1] }[state.by];
    tree.compare(pair && pair[0] && pair[1] ? pair : null);
    return tree;
  }

  narrowed() {
    return Boolean(this.where.size || this.range);
  }

  // Whether samples (of what is shown, not what it is compared with) are left; null for all.
  selector() {
    const { samples, range } = this;
    const mask = samples.mask(this.where);
    if (!mask && !range) return null;
    return (at) => (!mask || mask[at]) && (!range || samples.within(at, range));
  }

  search() {
    const { state } = this;
    this.pattern = null;
    let wrong = false;
    try {
      if (state.search) this.pattern = new RegExp(state.search, state.anycase ? "i" : "");
    } catch (error) {
      wrong = true;
    }
    byId("search").setAttribute("aria-invalid", String(wrong));
    this.found.fill(0);
    let functions = 0;
    if (this.pattern) {
      this.frames.names.forEach((name, frame) => {
        this.found[frame] = this.pattern.test(name) ? 1 : 0;
      });
    }
    const { tree } = this;
    let sum = 0;
    const seen = new Set();
    const inside = new Uint8Array(tree.count);
    for (let node = 1; this.pattern && node < tree.count; node++) {
      const up = tree.parent[node];
      const hit = this.found[tree.frame[node]];
      if (hit && !seen.has(tree.frame[node])) {
        seen.add(tree.frame[node]);
        functions++;
      }
      inside[node] = inside[up] || hit ? 1 : 0;
      if (hit && !inside[up]) sum += tree.total[node];
    }
    byId("matched").textContent = wrong
      ? "not a regular expression"
      : this.pattern
        ? `Matched: ${percent(tree.total[0] ? sum / tree.total[0] : 0)}, ${functions} functions`
        : "";
  }

  show() {
    const { state } = this;
    if (state.theme) document.documentElement.dataset.theme = state.theme;
    else delete document.documentElement.dataset.theme;
    for (const id of ["search", "order", "palette", "width", "by", "changes"]) {
      if (document.activeElement !== byId(id) || byId(id).tagName === "SELECT") byId(id).value = state[id];
    }
    for (const id of ["anycase", "merge", "recursion"]) byId(id).checked = Boolean(state[id]);
    for (const tab of document.querySelectorAll("[role=tab]")) {
      tab.setAttribute("aria-selected", String(tab.dataset.view === state.view));
    }
    const tree = this.profile();
    this.search();
    this.colours.clear();
    byId("comparison").hidden = !this.compared;
    if (this.compared) this.legend();
    if (this.filters) this.filters.show();
    byId("heat").hidden = !(this.heat && state.heat);
    byId("heat-toggle").setAttribute("aria-pressed", String(Boolean(state.heat)));
    if (this.heat && state.heat) this.heat.show();
    const key = [this.made, state.view, state.of].join("|");
    if (key !== this.shown) {
      this.shown = key;
      if (this.view) this.view.close();
      const host = byId("view");
      host.scrollTop = 0;
      this.view = this.make(host, tree);
    }
    if (this.view instanceof Flame) this.view.zoomed = tree.at(state.list("zoom"));
    this.view.later();
  }

  make(host, tree) {
    const { state } = this;
    const pick = (frame) => state.set({ view: "sandwich", of: String(frame), zoom: "" });
    if (state.view === "table") return new Table(this, host, tree, pick);
    if (state.view === "tree") return new CallTree(this, host, tree, pick);
    if (state.view === "sandwich") {
      if (state.of === "") return new Table(this, host, tree, pick);
      return new Sandwich(this, host, tree, +state.of, pick);
    }
    if (state.view === "chart" && this.samples && this.samples.clock) return new Chart(this, host, tree);
    const zoom = (node) => state.set({ zoom: tree.path(node).join(".") });
    return new Flame(this, host, state.view === "icicle", tree, zoom);
  }

  name(tree, node) {
    const frame = tree.frame[node];
    return frame < 0 ? "all" : this.frames.names[frame];
  }

  // A name as it stands in pictures: of a comparison, what is new or gone has a sign.
  label(tree, node) {
    const sign = this.compared && node > 0 ? { new: "+ ", gone: "− " }[this.fate(tree, node)] || "" : "";
    return sign + this.name(tree, node);
  }

  fate(tree, node) {
    return tree.totalBefore ? fate(tree, tree.total[node], tree.totalBefore[node]) : "same";
  }

  // Whether changes of a kind are to be shown.
  isWanted(kind) {
    return !this.compared || !this.state.changes || this.state.changes === kind;
  }

  isDim(tree, node) {
    return this.compared && Boolean(this.state.changes) && node > 0 && !this.isWanted(this.fate(tree, node));
  }

  legend() {
    const { palette } = this.state;
    const made = ["new", "grown", "same", "shrunk", "gone"].map((kind) => {
      const box = element("i", {}, { new: "+ new", gone: "− gone" }[kind] || kind);
      box.style.background = changeColour(kind === "shrunk" ? -1 : 1, 1, kind, palette);
      return box;
    });
    byId("legend").replaceChildren(...made);
  }

  isFound(tree, node) {
    return this.pattern !== null && tree.frame[node] >= 0 && this.found[tree.frame[node]] === 1;
  }

  dark() {
    const { theme } = this.state;
    return theme ? theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  }

  colour(tree, node) {
    const frame = tree.frame[node];
    if (this.isFound(tree, node)) return this.dark() ? "#ff5cff" : "#e600e6";
    if (frame < 0) return "#d8d8d8";
    if (this.compared) {
      return changeColour(tree.change(node), this.most, this.fate(tree, node), this.state.palette);
    }
    if (this.state.palette === "weight") return weightColour(tree.total[0] ? tree.total[node] / tree.total[0] : 0);
    let colour = this.colours.get(frame);
    if (colour === undefined) {
      const { names, kinds, modules } = this.frames;
      colour = palettes[this.state.palette](names[frame], kinds[frame], modules[frame]);
      this.colours.set(frame, colour);
    }
    return colour;
  }

  amount(value) {
    const { unit } = about;
    if (unit === "ns") {
      for (const [size, name] of [[1e9, "s"], [1e6, "ms"], [1e3, "µs"]]) {
        if (value >= size) return (value / size).toFixed(2) + " " + name;
      }
      return value + " ns";
    }
    if (unit === "bytes") {
      for (const [size, name] of [[2 ** 30, "GiB"], [2 ** 20, "MiB"], [2 ** 10, "KiB"]]) {
        if (value >= size) return (value / size).toFixed(2) + " " + name;
      }
    }
    return `${value.toLocaleString("en")} ${unit}`;
  }

  said(tree, node) {
    const share = percent(tree.total[0] ? tree.total[node] / tree.total[0] : 0);
    let text = `${this.name(tree, node)}: ${this.amount(tree.total[node])}, ${share}`;
    if (tree.self[node]) text += `, itself ${percent(tree.self[node] / tree.total[0])}`;
    if (this.compared) {
      text += tree.totalBefore[node] ? `, before ${this.amount(tree.totalBefore[node])}, ${signed(tree.change(node))}` : ", new";
      if (!tree.total[node]) text += ", gone";
    }
    const module = node > 0 ? this.frames.modules[tree.frame[node]] : "";
    return module ? `${text} (${module})` : text;
  }

  describe(tree, node) {
    byId("details").textContent = node < 0 ? "" : this.said(tree, node);
  }

  controls() {
    const { state } = this;
    for (const tab of document.querySelectorAll("[role=tab]")) {
      tab.onclick = () => state.set({ view: tab.dataset.view });
    }
    byId("search").oninput = (event) => state.set({ search: event.target.value }, false);
    for (const id of ["order", "palette", "width", "by", "changes"]) byId(id).onchange = (event) => state.set({ [id]: event.target.value });
    for (const id of ["anycase", "merge", "recursion"]) {
      byId(id).onchange = (event) => state.set({ [id]: event.target.checked ? "1" : "", ...(id === "anycase" ? {} : { zoom: "" }) });
    }
    byId("heat-toggle").onclick = () => state.set({ heat: state.heat ? "" : "1" });
    for (const [id, values] of [["samples", about.samples], ["time", about.seconds]]) {
      const option = byId("by").querySelector(`[value=${id}]`);
      option.disabled = about.compared && !(values[0] && values[1]);
    }
    byId("back").onclick = () => history.back();
    byId("reset").onclick = () => this.reset();
    byId("theme").onclick = () => state.set({ theme: this.dark() ? "light" : "dark" }, false);
    byId("help").onclick = () => byId("keys").showModal();
    byId("save-svg").onclick = () => this.flame() && save("flame.svg", new Blob([this.svg()], { type: "image/svg+xml" }));
    byId("save-png").onclick = () => this.flame() && asPng(this.flame()).then((blob) => save("flame.png", blob));
    const missing = [
      [about.lost, "samples were lost"],
      [about.rejected, "lines were not understood"],
      [about.stackless, "samples have no stack"],
    ].filter(([count]) => count);
    byId("quality").hidden = !missing.length;
    byId("quality").textContent = missing.map(([count, text]) => `${count.toLocaleString("en")} ${text}`).join("; ");
    document.addEventListener("keydown", (event) => this.key(event));
  }

  // The picture that is seen.
  flame() {
    return this.view instanceof Flame || this.view instanceof Chart ? this.view : this.view instanceof Sandwich ? this.view.halves[1] : null;
  }

  svg() {
    return this.flame() ? asSvg(this.flame(), about.title) : "";
  }

  reset() {
    const { theme, palette, order, heat, period } = this.state;
    byId("search").value = "";
    this.state.set({ ...defaults, theme, palette, order, heat, period });
  }

  key(event) {
    const typing = /^(INPUT|SELECT)$/.test(event.target.tagName) && event.target.type !== "checkbox";
    if (event.key === "Escape") {
      if (typing) event.target.blur();
      else if (!byId("keys").open) this.reset();
      return;
    }
    if (typing || event.ctrlKey || event.metaKey || event.altKey) return;
    const flame = this.flame();
    const frame = flame ? flame.frame() : -1;
    const up = flame && flame.inverted ? "out" : "in";
    const down = up === "in" ? "out" : "in";
    const actions = {
      "/": () => byId("search").focus(),
      "?": () => byId("keys").showModal(),
      d: () => byId("theme").click(),
      Backspace: () => history.back(),
    };
    if (this.heat) actions.m = () => byId("heat-toggle").click();
    document.querySelectorAll("[role=tab]:not([hidden])").forEach((tab, number) => {
      actions[number + 1] = () => tab.click();
    });
    if (flame instanceof Chart) {
      actions["+"] = () => flame.nearer(0.5);
      actions["-"] = () => flame.nearer(2);
      actions.n = () => this.state.set({ range: flame.window().map(Math.round).join("-"), window: "" });
    }
    if (flame) {
      Object.assign(actions, {
        ArrowUp: () => flame.move(up),
        ArrowDown: () => flame.move(down),
        ArrowLeft: () => flame.move("left"),
        ArrowRight: () => flame.move("right"),
      });
      if (event.target.tagName !== "BUTTON") actions.Enter = () => flame.zoom();
    }
    if (frame >= 0) {
      const hidden = [...this.state.list("hidden"), frame].join(".");
      actions.f = () => this.state.set({ only: String(frame), zoom: "" });
      actions.s = () => this.state.set({ view: "sandwich", of: String(frame), zoom: "" });
      actions.h = () => this.state.set({ hidden, zoom: "" });
    }
    if (actions[event.key]) {
      event.preventDefault();
      actions[event.key]();
    }
  }
}

loaded().then(
  (profile) => {
    window.page = new Page(profile);
  },
  (error) => {
    byId("view").textContent = `This file is damaged, or the browser is too old: ${error}`;
  },
);
