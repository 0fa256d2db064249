// All functions with what they do themselves and with what they call: the page as text.

const ROWS = 500; // More are shown when they are asked for.

function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) made[key] = value;
    else if (value !== false) made.setAttribute(key, value);
  }
  made.append(...children);
  return made;
}

class Table {
  constructor(page, host, tree, onPick) {
    Object.assign(this, { page, host, tree, onPick });
    this.sum = tree.functions(page.frames.names.length);
    this.by = page.compared ? "dtotal" : "self";
    this.shown = ROWS;
    this.draw();
  }

  close() {}

  columns() {
    const { sum, page } = this;
    const whole = this.tree.total[0] || 1;
    const share = (value) => `${page.amount(value)} (${percent(value / whole)})`;
    const columns = [
      ["self", "Self", (f) => sum.self[f], share],
      ["total", "Total", (f) => sum.total[f], share],
    ];
    if (page.compared) {
      const change = (now, old) => (f) => this.tree.changed(now[f], old[f]);
      columns.push(["before", "Total before", (f) => sum.totalBefore[f], (value) => page.amount(value)]);
      columns.push(["dself", "Δ self", change(sum.self, sum.selfBefore), signed]);
      columns.push(["dtotal", "Δ total", change(sum.total, sum.totalBefore), signed]);
    }
    return columns;
  }

  fate(frame) {
    return fate(this.tree, this.sum.total[frame], this.sum.totalBefore[frame]);
  }

  draw() {
    const { page } = this;
    const columns = this.columns();
    const value = columns.find((column) => column[0] === this.by)[2];
    const frames = page.frames.names
      .map((_, frame) => frame)
      .filter((f) => this.sum.total[f] || this.sum.totalBefore[f])
      .filter((f) => !page.pattern || page.found[f])
      .filter((f) => page.isWanted(this.fate(f)));
    frames.sort((a, b) => Math.abs(value(b)) - Math.abs(value(a)) || a - b);
    const head = element("tr", {});
    for (const [id, text] of columns) {
      const sorted = id === this.by && { "aria-sort": "descending" };
      const sort = () => {
        this.by = id;
        this.draw();
      };
      const button = element("button", { onclick: sort }, text);
      head.append(element("th", { scope: "col", ...sorted }, button));
    }
    if (page.compared) head.append(element("th", { scope: "col" }, "Change"));
    head.append(element("th", { scope: "col", class: "name" }, "Function"));
    const body = element("tbody");
    for (const frame of frames.slice(0, this.shown)) {
      const row = element("tr", {
        tabindex: "0",
        onclick: () => this.onPick(frame),
        onkeydown: (event) => {
          if (event.key === "Enter") this.onPick(frame);
          if (event.key === "ArrowDown") event.currentTarget.nextElementSibling?.focus();
          if (event.key === "ArrowUp") event.currentTarget.previousElementSibling?.focus();
        },
      });
      for (const [, , of, show] of columns) {
        const number = of(frame);
        const mark = show === signed ? (number > 0 ? "grown" : number < 0 ? "shrunk" : "") : "";
        row.append(element("td", { class: mark }, show(number)));
      }
      if (page.compared) row.append(element("td", { class: this.fate(frame) }, this.fate(frame)));
      row.append(element("td", { class: "name", title: page.frames.modules[frame] }, page.frames.names[frame] || "?"));
      body.append(row);
    }
    const caption = element("caption", {}, `${frames.length} functions of ${page.amount(this.tree.total[0])}${page.narrowed() ? " that are left by the filters" : ""}`);
    const table = element("table", {}, caption, element("thead", {}, head), body);
    this.host.replaceChildren(table);
    if (frames.length > this.shown) {
      const more = () => {
        this.shown *= 4;
        this.draw();
      };
      this.host.append(element("button", { onclick: more }, `${frames.length - this.shown} more`));
    }
  }

  later() {
    this.draw();
  }
}

function percent(part) {
  return (100 * part).toFixed(2) + "%";
}

function signed(part) {
  return (part > 0 ? "+" : "") + percent(part);
}
