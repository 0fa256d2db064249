// One function between those that call it and those that it calls.

class Sandwich {
  constructor(page, host, tree, frame, onPick) {
    const callers = element("section", { "aria-label": "Callers" });
    const callees = element("section", { "aria-label": "Callees" });
    const name = page.frames.names[frame];
    const sum = tree.functions(page.frames.names.length);
    const whole = tree.total[0] || 1;
    const said = `${name}: ${page.amount(sum.total[frame])} (${percent(sum.total[frame] / whole)}), itself ${percent(sum.self[frame] / whole)}`;
    host.replaceChildren(element("div", { class: "halves" }, callers, element("h2", {}, said), callees));
    const pick = (half) => (node = half.current) => {
      if (node >= 0 && half.tree.frame[node] >= 0 && half.tree.frame[node] !== frame) onPick(half.tree.frame[node]);
    };
    this.halves = [];
    for (const [place, inverted, part] of [
      [callers, false, tree.callersOf(frame)],
      [callees, true, tree.from(frame)],
    ]) {
      const half = new Flame(page, place, inverted, part, () => {});
      half.zoom = pick(half);
      this.halves.push(half);
    }
  }

  close() {
    for (const half of this.halves) half.close();
  }

  later() {
    for (const half of this.halves) half.later();
  }
}
