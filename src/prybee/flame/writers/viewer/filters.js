// What narrows all views: threads, CPUs, labels, and a range of time.

// "thread:1.2,cpu:0" as a map of sets; what cannot be understood is left out.
function conditions(text) {
  const where = new Map();
  for (const part of text.split(",")) {
    const [id, values] = part.split(":");
    if (id && values) where.set(id, new Set(values.split(".").map(Number)));
  }
  return where;
}

function asText(where) {
  return [...where].filter(([, values]) => values.size).map(([id, values]) => `${id}:${[...values].join(".")}`).join(",");
}

// "from-to" in nanoseconds; null for everything.
function rangeOf(text) {
  const [from, to] = text.split("-").map(Number);
  return to > from ? [from, to] : null;
}

const SHOWN = 200; // Of a field's values; more are found by their text.

class Filters {
  constructor(page) {
    this.page = page;
    const { samples } = page;
    const bar = byId("narrow");
    bar.hidden = false;
    this.menus = samples.fields.map((field) => this.menu(field));
    byId("fields").replaceChildren(...this.menus.map((menu) => menu.box));
    const timed = Boolean(samples.clock);
    for (const id of ["times", "chart-tab"]) byId(id).hidden = !timed;
    byId("heat-toggle").hidden = samples.clock !== "ns";
    this.unit = samples.clock === "ns" ? 1e9 : 1;
    byId("time-unit").textContent = samples.clock === "ns" ? "s" : about.unit;
    for (const id of ["from", "to"]) byId(id).onchange = () => this.typed();
    byId("all-times").onclick = () => page.state.set({ range: "", window: "" });
    byId("baseline").onclick = () => page.state.set({ base: page.state.range, range: "", zoom: "" });
    byId("no-baseline").onclick = () => page.state.set({ base: "", zoom: "" });
    document.addEventListener("click", (event) => {
      for (const menu of this.menus) if (!menu.box.contains(event.target)) menu.box.open = false;
    });
  }

  menu(field) {
    const { page } = this;
    const summary = element("summary", {}, field.title);
    const search = element("input", { type: "search", "aria-label": `Find in ${field.title}`, placeholder: "find" });
    const rows = element("div", { class: "rows", role: "group", "aria-label": field.title });
    const tick = element("button", {}, "Tick these");
    const clear = element("button", {}, "All");
    const box = element("details", { class: "menu", id: "menu-" + field.id }, summary, element("div", {}, search, tick, clear, rows));
    const menu = { field, box, summary, search, rows };
    search.oninput = () => this.fill(menu);
    box.ontoggle = () => {
      if (box.open) {
        this.fill(menu);
        search.focus();
      }
    };
    box.onkeydown = (event) => {
      if (event.key !== "Escape") return;
      box.open = false;
      summary.focus();
      event.stopPropagation();
    };
    const change = (values) => {
      const where = conditions(page.state.where);
      where.set(field.id, new Set(values));
      page.state.set({ where: asText(where), zoom: "" });
    };
    tick.onclick = () => change(this.values(menu).map(([value]) => value));
    clear.onclick = () => change([]);
    menu.toggle = (value, on) => {
      const values = new Set(conditions(page.state.where).get(field.id));
      if (on) values.add(value);
      else values.delete(value);
      change(values);
    };
    return menu;
  }

  // [value, weight] of those that are found, the heaviest first. What other filters leave counts.
  values({ field, search }) {
    const { page } = this;
    const { samples } = page;
    const mask = samples.mask(page.where, field.id);
    const sums = new Map();
    for (let at = 0; at < samples.count; at++) {
      const value = field.column[at];
      const weight = mask && !mask[at] ? 0 : samples.weight[at];
      sums.set(value, (sums.get(value) || 0) + weight);
    }
    const text = search.value.toLowerCase();
    return [...sums].filter(([value]) => field.text(value).toLowerCase().includes(text)).sort((a, b) => b[1] - a[1]);
  }

  fill(menu) {
    const { field, rows } = menu;
    const ticked = this.page.where.get(field.id) || new Set();
    const found = this.values(menu);
    const whole = found.reduce((sum, [, weight]) => sum + weight, 0) || 1;
    const made = found.slice(0, SHOWN).map(([value, weight]) => {
      const box = element("input", { type: "checkbox", ...(ticked.has(value) ? { checked: "" } : {}) });
      box.onchange = () => menu.toggle(value, box.checked);
      return element("label", {}, box, element("span", {}, field.text(value)), element("b", {}, percent(weight / whole)));
    });
    if (found.length > SHOWN) made.push(element("p", {}, `${found.length - SHOWN} more: find them by their text`));
    rows.replaceChildren(...made);
  }

  typed() {
    const { page, unit } = this;
    const end = page.samples.end[0];
    const of = (id, usual) => (byId(id).value === "" ? usual : Math.round(+byId(id).value * unit));
    const from = Math.max(of("from", 0), 0);
    const to = Math.min(of("to", end + 1), end + 1);
    const all = from <= 0 && to > end;
    page.state.set({ range: all || to <= from ? "" : `${from}-${to}`, zoom: "" });
  }

  show() {
    const { page, unit } = this;
    for (const menu of this.menus) {
      const { field, summary, box } = menu;
      const ticked = page.where.get(field.id);
      const one = ticked && ticked.size === 1 ? `: ${field.text([...ticked][0])}` : ticked ? `: ${ticked.size}` : "";
      summary.textContent = field.title + one;
      box.classList.toggle("used", Boolean(ticked));
      if (box.open && !box.contains(document.activeElement)) this.fill(menu);
    }
    const { range, base } = page;
    const digits = page.samples.clock === "ns" ? 9 : 0;
    byId("from").value = range ? +(range[0] / unit).toFixed(digits) : "";
    byId("to").value = range ? +(range[1] / unit).toFixed(digits) : "";
    byId("to").placeholder = String(+(page.samples.end[0] / unit).toPrecision(4));
    byId("all-times").hidden = !range;
    byId("baseline").hidden = !range || about.compared;
    byId("no-baseline").hidden = !base;
    if (base) byId("no-baseline").textContent = `Compared with ${base.map((t) => +(t / unit).toFixed(3)).join(" – ")} ${byId("time-unit").textContent} ✕`;
  }
}
