// When there were how many samples: a column for each second (or another period), rows for the
// offset in it. What is at one place in all columns happens at regular times. A range that is
// selected narrows all views.

const HEAT_ROWS = 50;
const PERIODS = [1e6, 1e7, 1e8, 1e9, 1e10, 6e10, 6e11, 3.6e12]; // Nanoseconds of a column.
const LEFT = 52; // For the numbers beside it, and below.
const BELOW = 18;
const CELL = 3; // Pixels of a row.

class HeatMap {
  constructor(page) {
    this.page = page;
    const host = byId("heat");
    this.canvas = element("canvas", { tabindex: "0", role: "application", "aria-roledescription": "heat map" });
    this.periods = element("select", { id: "period", "aria-label": "A column is" });
    this.said = element("output", { "aria-live": "polite" });
    host.replaceChildren(
      element("p", {}, element("label", {}, "A column is ", this.periods), this.said),
      this.canvas,
    );
    for (const period of PERIODS) this.periods.append(element("option", { value: period }, duration(period)));
    this.periods.onchange = () => page.state.set({ period: this.periods.value });
    this.cursor = 0;
    this.anchor = null;
    const { canvas } = this;
    canvas.onpointerdown = (event) => {
      canvas.setPointerCapture(event.pointerId);
      this.cursor = this.under(event);
      this.anchor = this.cursor;
      this.dragging = true;
      this.draw();
    };
    canvas.onpointermove = (event) => {
      const cell = this.under(event);
      if (this.dragging) {
        this.cursor = cell;
        this.draw();
      }
      this.tell(cell);
    };
    canvas.onpointerup = () => {
      this.dragging = false;
      this.select();
    };
    canvas.onkeydown = (event) => this.key(event);
    canvas.onblur = () => this.draw();
    new ResizeObserver(() => this.draw()).observe(host);
  }

  // The usual period: seconds, unless that makes very few columns or very many.
  period() {
    const { state, samples } = this.page;
    const end = samples.end[0];
    if (PERIODS.includes(+state.period)) return +state.period;
    if (end >= 8e9 && end < 1e12) return 1e9;
    return PERIODS.find((period) => end / period <= 200) || PERIODS[PERIODS.length - 1];
  }

  show() {
    const { page } = this;
    const period = this.period();
    this.periods.value = period;
    const key = [page.state.where, period].join("|");
    if (key !== this.made) {
      this.made = key;
      this.count(period);
      this.anchor = null;
    }
    this.draw();
  }

  // Weights by cells, which are in the order of time.
  count(period) {
    const { samples, where } = this.page;
    this.step = period / HEAT_ROWS;
    this.columns = Math.floor(samples.end[0] / period) + 1;
    const cells = new Float64Array(this.columns * HEAT_ROWS + 1);
    const mask = samples.mask(where);
    // What lasts is spread over its time: whole cells are added by where they begin and end.
    const rising = new Float64Array(cells.length + 1);
    for (let at = 0; at < samples.after; at++) {
      if (mask && !mask[at]) continue;
      const first = samples.time[at] / this.step;
      const cell = Math.floor(first);
      if (!samples.spans) {
        cells[cell] += samples.weight[at];
        continue;
      }
      const last = first + samples.length(at) / this.step;
      const end = Math.min(Math.floor(last), cells.length - 1);
      const each = last > first ? samples.weight[at] / (last - first) : 0;
      if (end === cell) {
        cells[cell] += samples.weight[at];
        continue;
      }
      cells[cell] += each * (cell + 1 - first);
      cells[end] += each * (last - end);
      rising[cell + 1] += each;
      rising[end] -= each;
    }
    let level = 0;
    this.most = 0;
    for (let cell = 0; cell < cells.length; cell++) {
      level += rising[cell];
      cells[cell] += samples.spans ? Math.max(level, 0) : 0;
      this.most = Math.max(this.most, cells[cell]);
    }
    this.cells = cells;
  }

  width() {
    return Math.min((this.canvas.clientWidth - LEFT - 4) / this.columns, 40);
  }

  // Cells of a range, of what is being selected, or of the one that is.
  selected() {
    if (this.anchor !== null) return [Math.min(this.anchor, this.cursor), Math.max(this.anchor, this.cursor) + 1];
    const { range } = this.page;
    return range && [range[0] / this.step, range[1] / this.step];
  }

  draw() {
    const { canvas, page } = this;
    const wide = byId("heat").clientWidth - 20;
    if (!this.cells || wide <= 0) return;
    const high = HEAT_ROWS * CELL + BELOW;
    const context = sized(canvas, wide, high);
    const width = this.width();
    const dark = page.dark();
    const selected = this.selected();
    context.fillStyle = dark ? "#202329" : "#f3f3f3";
    context.fillRect(LEFT, 0, width * this.columns, HEAT_ROWS * CELL);
    for (let cell = 0; cell < this.columns * HEAT_ROWS; cell++) {
      const part = this.cells[cell] / this.most;
      if (!part) continue;
      context.globalAlpha = selected && (cell + 1 <= selected[0] || cell >= selected[1]) ? 0.35 : 1;
      context.fillStyle = heat(part, dark, page.state.palette);
      const [x, y] = this.place(cell);
      context.fillRect(x, y, Math.max(width - (width > 4 ? 0.5 : 0), 0.6), CELL);
    }
    context.globalAlpha = 1;
    if (selected) this.outline(context, selected, dark ? "#fff" : "#000");
    if (page.base) this.outline(context, page.base.map((time) => time / this.step), "#1f78ff");
    if (document.activeElement === canvas) {
      const [x, y] = this.place(this.cursor);
      context.strokeStyle = dark ? "#ff5cff" : "#d100d1";
      context.lineWidth = 2;
      context.strokeRect(x - 1, y - 1, width + 2, CELL + 2);
    }
    this.axes(context, width);
  }

  place(cell) {
    const column = Math.floor(cell / HEAT_ROWS);
    // Time goes upwards in a column, as FlameScope has it.
    return [LEFT + column * this.width(), (HEAT_ROWS - 1 - (Math.floor(cell) % HEAT_ROWS)) * CELL];
  }

  // Around each column's part of a range.
  outline(context, [from, to], colour) {
    context.strokeStyle = colour;
    context.lineWidth = 1.5;
    const width = this.width();
    const first = Math.floor(from / HEAT_ROWS);
    const last = Math.floor((Math.ceil(to) - 1) / HEAT_ROWS);
    context.beginPath();
    for (let column = first; column <= last && column < this.columns; column++) {
      const low = Math.max(from - column * HEAT_ROWS, 0);
      const high = Math.min(to - column * HEAT_ROWS, HEAT_ROWS);
      const x = LEFT + column * width;
      const top = (HEAT_ROWS - high) * CELL;
      const bottom = (HEAT_ROWS - low) * CELL;
      context.moveTo(x, top);
      context.lineTo(x + width, top);
      context.moveTo(x, bottom);
      context.lineTo(x + width, bottom);
      // The sides, where no column is beside.
      if (column === first || low > 0) context.rect(x, top, 0, bottom - top);
      if (column === last || high < HEAT_ROWS) context.rect(x + width, top, 0, bottom - top);
    }
    context.stroke();
  }

  axes(context, width) {
    const period = this.step * HEAT_ROWS;
    context.fillStyle = this.page.dark() ? "#ccc" : "#333";
    context.font = "11px system-ui, sans-serif";
    context.textAlign = "right";
    for (const part of [0, 0.5, 1]) {
      const y = (1 - part) * HEAT_ROWS * CELL;
      context.textBaseline = part === 1 ? "top" : part ? "middle" : "bottom";
      context.fillText(part ? duration(part * period) : "0", LEFT - 5, y);
    }
    context.textBaseline = "bottom";
    context.textAlign = "left";
    const every = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000].find((count) => count * width >= 60) || 10000;
    for (let column = 0; column < this.columns; column += every) {
      context.fillText(moment(column * period, period, this.page.samples.end[0]), LEFT + column * width, HEAT_ROWS * CELL + BELOW);
    }
  }

  under(event) {
    const column = Math.floor((event.offsetX - LEFT) / this.width());
    const row = HEAT_ROWS - 1 - Math.floor(event.offsetY / CELL);
    return this.clamped(this.bounded(column, this.columns) * HEAT_ROWS + this.bounded(row, HEAT_ROWS));
  }

  bounded(value, count) {
    return Math.min(Math.max(value, 0), count - 1);
  }

  clamped(cell) {
    return this.bounded(cell, this.columns * HEAT_ROWS);
  }

  tell(cell) {
    const { step } = this;
    this.said.textContent = `${seconds(cell * step, step)} – ${seconds((cell + 1) * step, step)} s: ${this.page.amount(round3(this.cells[cell]))}`;
  }

  select() {
    const selected = this.selected();
    this.anchor = null;
    if (!selected) return;
    const [from, to] = selected.map((cell) => Math.round(cell * this.step));
    this.page.state.set({ range: `${from}-${to}`, window: "", zoom: "" });
  }

  key(event) {
    const moves = { ArrowLeft: -HEAT_ROWS, ArrowRight: HEAT_ROWS, ArrowUp: 1, ArrowDown: -1 };
    if (moves[event.key]) {
      if (event.shiftKey) this.anchor ??= this.cursor;
      else this.anchor = null;
      this.cursor = this.clamped(this.cursor + moves[event.key]);
      this.tell(this.cursor);
    } else if (event.key === "Enter" || event.key === " ") {
      this.anchor ??= this.cursor;
      this.select();
    } else if (event.key === "Escape" && (this.anchor !== null || this.page.range)) {
      this.anchor = null;
      this.page.state.set({ range: "", zoom: "" });
    } else return;
    event.preventDefault();
    event.stopPropagation();
    this.draw();
  }
}

function round3(value) {
  return Math.round(value * 1000) / 1000;
}
