// The tree as rows that open.

class CallTree {
  constructor(page, host, tree, onPick) {
    Object.assign(this, { page, host, tree, onPick });
    this.open = new Set([0]);
    // What is nearly everything is of no interest: the first branching is.
    for (let node = 0; ; ) {
      const heavy = [...tree.childrenOf(node)].sort((a, b) => tree.total[b] - tree.total[a])[0];
      if (heavy === undefined || tree.total[heavy] < 0.8 * tree.total[0]) break;
      this.open.add(heavy);
      node = heavy;
    }
    this.draw();
  }

  close() {}

  rows() {
    const rows = [];
    const visit = (node, level) => {
      rows.push([node, level]);
      if (!this.open.has(node)) return;
      const children = [...this.tree.childrenOf(node)].filter((c) => this.tree.total[c] || this.tree.totalBefore?.[c]);
      children.sort((a, b) => this.tree.total[b] - this.tree.total[a]);
      for (const child of children.slice(0, ROWS)) visit(child, level + 1);
    };
    visit(0, 1);
    return rows;
  }

  draw(focused = 0) {
    const { page, tree } = this;
    const whole = tree.total[0] || 1;
    const heads = ["Total", "Self", ...(page.compared ? ["Δ total"] : [])];
    const head = element("tr", {}, ...heads.map((text) => element("th", { scope: "col" }, text)));
    head.append(element("th", { scope: "col", class: "name" }, "Function"));
    const body = element("tbody");
    let focus = null;
    for (const [node, level] of this.rows()) {
      const leaf = tree.first[node] < 0;
      const row = element("tr", {
        role: "row",
        tabindex: "0",
        "aria-level": level,
        ...(leaf ? {} : { "aria-expanded": String(this.open.has(node)) }),
        class: page.isFound(tree, node) ? "found" : "",
        onclick: () => this.toggle(node),
        ondblclick: () => tree.frame[node] >= 0 && this.onPick(tree.frame[node]),
        onkeydown: (event) => this.key(event, node),
      });
      row.append(element("td", {}, percent(tree.total[node] / whole)));
      row.append(element("td", {}, percent(tree.self[node] / whole)));
      if (page.compared) {
        const change = tree.change(node);
        row.append(element("td", { class: change > 0 ? "grown" : "shrunk" }, signed(change)));
      }
      const sign = leaf ? "  " : this.open.has(node) ? "▾ " : "▸ ";
      row.append(element("td", { class: "name" }, " ".repeat(2 * (level - 1)) + sign + page.name(tree, node)));
      body.append(row);
      if (node === focused) focus = row;
    }
    this.host.replaceChildren(element("table", { role: "treegrid", "aria-label": "Call tree" }, element("thead", {}, head), body));
    if (focused && focus) focus.focus();
  }

  toggle(node, open = !this.open.has(node)) {
    if (open) this.open.add(node);
    else this.open.delete(node);
    this.draw(node);
  }

  key(event, node) {
    const row = event.currentTarget;
    if (event.key === "ArrowRight") this.toggle(node, true);
    else if (event.key === "ArrowLeft") this.toggle(node, false);
    else if (event.key === "ArrowDown") row.nextElementSibling?.focus();
    else if (event.key === "ArrowUp") row.previousElementSibling?.focus();
    else if (event.key === "Enter" && node > 0) this.onPick(this.tree.frame[node]);
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  later() {
    this.draw();
  }
}
