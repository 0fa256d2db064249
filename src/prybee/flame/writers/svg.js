"use strict";
// What the picture does by itself: details, zoom, search, and its state in the address.
(function () {
  const root = document.documentElement;
  const byId = (id) => document.getElementById(id);
  const data = root.dataset;
  const width = root.viewBox.baseVal.width;
  const side = +data.side;
  const size = +data.size;
  const character = size * data.fontwidth;
  const inverted = data.inverted === "1";
  const FOUND = "rgb(230,0,230)";
  let frames = [];
  let zoomed = null;
  let term = "";
  let anyCase = false;

  class Frame {
    constructor(group) {
      this.group = group;
      this.rect = group.querySelector("rect");
      this.text = group.querySelector("text");
      this.title = group.querySelector("title").textContent;
      // "name (1,234 samples, 5.67%)": the name may have parentheses of its own.
      this.name = this.title.replace(/ \([^(]*\)$/, "");
      this.x = +this.rect.getAttribute("x");
      this.width = +this.rect.getAttribute("width");
      this.y = +this.rect.getAttribute("y");
      this.fill = this.rect.getAttribute("fill");
    }
    place(x, wide) {
      this.rect.setAttribute("x", x);
      this.rect.setAttribute("width", Math.max(wide, 0));
      this.text.setAttribute("x", x + 3);
      const room = Math.floor(wide / character);
      const name = this.name === "all" && this === frames[0] ? "" : this.name;
      this.text.textContent =
        room < 3 ? "" : name.length <= room ? name : name.slice(0, room - 2) + "..";
    }
    // Coordinates have one decimal: two that should be equal may differ by that.
    holds(other) {
      const slack = 0.05;
      return other.x >= this.x - slack && other.x + other.width <= this.x + this.width + slack;
    }
    above(other) {
      return inverted ? this.y < other.y : this.y > other.y;
    }
  }

  function show(frame, mode) {
    frame.group.classList.toggle("hide", mode === "hide");
    frame.group.classList.toggle("parent", mode === "parent");
  }

  function zoom(frame) {
    zoomed = frame === frames[0] ? null : frame;
    const scale = (width - 2 * side) / frame.width;
    for (const each of frames) {
      if (!zoomed) {
        show(each, "");
        each.place(each.x, each.width);
      } else if (each !== frame && each.above(frame)) {
        show(each, each.holds(frame) ? "parent" : "hide");
        each.place(side, width - 2 * side);
      } else if (frame.holds(each)) {
        show(each, "");
        each.place(side + (each.x - frame.x) * scale, each.width * scale);
      } else {
        show(each, "hide");
      }
    }
    byId("unzoom").classList.toggle("hide", !zoomed);
    search(term);
  }

  function search(text) {
    term = text;
    let pattern = null;
    try {
      pattern = text ? new RegExp(text, anyCase ? "i" : "") : null;
    } catch (error) {
      byId("matched").textContent = "not a pattern";
      return;
    }
    const found = [];
    for (const each of frames) {
      const hit = pattern !== null && each !== frames[0] && pattern.test(each.name);
      each.rect.setAttribute("fill", hit ? FOUND : each.fill);
      if (hit) found.push(each);
    }
    byId("search").textContent = text ? "Reset Search" : "Search";
    byId("search").classList.toggle("show", Boolean(text));
    byId("matched").textContent = pattern ? "Matched: " + share(found) + "%" : " ";
    remember();
  }

  // What stands on a frame that is counted is in it already.
  function share(found) {
    const all = frames[0].width;
    let sum = 0;
    let end = -1;
    found.sort((one, other) => one.x - other.x || other.width - one.width);
    for (const each of found) {
      if (each.x >= end - 0.05) {
        sum += each.width;
        end = each.x + each.width;
      }
    }
    return ((100 * sum) / all).toFixed(1);
  }

  function remember() {
    const parameters = new URLSearchParams();
    if (zoomed) {
      parameters.set("x", zoomed.x);
      parameters.set("y", zoomed.y);
    }
    if (term) parameters.set("s", term);
    const query = parameters.toString();
    try {
      history.replaceState(null, "", query ? "?" + query : location.pathname);
    } catch (error) {
      // Inside of another page there may be no history.
    }
  }

  function ask() {
    const text = term ? "" : prompt("A regular expression to search for:", "");
    if (text !== null) search(text);
  }

  function toggleCase() {
    anyCase = !anyCase;
    byId("ignorecase").classList.toggle("show", anyCase);
    search(term);
  }

  function describe(frame) {
    byId("details").textContent = frame ? data.nametype + " " + frame.title : data.missing;
  }

  window.addEventListener("load", function () {
    frames = Array.from(byId("frames").children, (group) => new Frame(group));
    for (const frame of frames) {
      frame.group.setAttribute("tabindex", "0");
      frame.group.addEventListener("mouseover", () => describe(frame));
      frame.group.addEventListener("focus", () => describe(frame));
      frame.group.addEventListener("mouseout", () => describe(null));
      frame.group.addEventListener("click", (event) => {
        if (event.ctrlKey) return; // Links are followed.
        event.preventDefault();
        zoom(frame);
      });
    }
    const click = (id, action) => {
      byId(id).addEventListener("click", action);
      byId(id).addEventListener("keydown", (event) => {
        if (event.key === "Enter" || event.key === " ") action();
      });
    };
    click("unzoom", () => zoom(frames[0]));
    click("search", ask);
    click("ignorecase", toggleCase);
    const given = new URLSearchParams(location.search);
    if (given.has("s")) term = given.get("s");
    const x = +given.get("x");
    const y = +given.get("y");
    zoom((given.has("x") && frames.find((f) => f.x === x && f.y === y)) || frames[0]);
  });

  window.addEventListener("keydown", (event) => {
    const frame = frames.find((each) => each.group === document.activeElement);
    if (event.key === "F3" || (event.ctrlKey && event.key === "f")) {
      event.preventDefault();
      ask();
    } else if (event.ctrlKey && event.key === "i") {
      event.preventDefault();
      toggleCase();
    } else if (event.key === "Escape") {
      zoom(frames[0]);
    } else if (event.key === "Enter" && frame) {
      zoom(frame);
    }
  });
})();
