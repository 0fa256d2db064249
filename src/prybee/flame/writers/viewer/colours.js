// Colours of frames. Text on them is always dark, so they are light enough for it in both themes.

// A number from 0 to 1 that a text always has.
function chanceOf(text) {
  let hash = 2166136261;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 16777619);
  return (hash >>> 0) / 4294967296;
}

const hues = { "": [28, 85], kernel: [12, 60], jit: [110, 50], inlined: [48, 80], waker: [190, 55], python: [210, 60] };
// Okabe and Ito's, light ones: told apart with any kind of colour vision.
const safe = { "": "#f0c04a", kernel: "#8cc8ec", jit: "#66c8a6", inlined: "#f5e878", waker: "#e0a8c8", python: "#eba06a" };

const palettes = {
  kind(name, kind) {
    const [hue, strength] = hues[kind] || hues[""];
    const vary = chanceOf(name);
    return `hsl(${hue + vary * 14 - 7} ${strength}% ${64 + vary * 14}%)`;
  },
  hot(name) {
    const vary = chanceOf(name);
    return `hsl(${vary * 55} 85% ${62 + vary * 10}%)`;
  },
  module(name, kind, module) {
    return `hsl(${Math.floor(chanceOf(module || kind || "?") * 360)} 55% ${68 + chanceOf(name) * 8}%)`;
  },
  safe(name, kind) {
    return safe[kind] || safe[""];
  },
  weight: null, // By the weight, not by the name.
};

// Of a change: red for growth, blue for less, white for none; what is new or gone is striking. The
// safe ones are orange and blue, and names begin with a sign as well.
function changeColour(change, most, what, palette) {
  const safely = palette === "safe" || palette === "weight";
  if (what === "gone") return safely ? "#56b4e9" : "#c3a6ff";
  if (what === "new") return safely ? "#f0e442" : "#ffab3d";
  const part = most && what !== "same" ? Math.min(Math.abs(change) / most, 1) : 0;
  const light = 95 - 29 * Math.sqrt(part);
  const [more, less] = safely ? [28, 205] : [4, 222];
  return `hsl(${change >= 0 ? more : less} ${part ? 88 : 0}% ${light}%)`;
}

// From little to much, by lightness, which everyone sees; from cividis, without its darkest.
const ramp = [[60, 78, 110], [102, 105, 112], [149, 143, 120], [200, 184, 102], [253, 231, 55]];

function between(part) {
  const at = Math.min(Math.max(part, 0), 1) * (ramp.length - 1);
  const low = Math.min(Math.floor(at), ramp.length - 2);
  return ramp[low].map((value, c) => Math.round(value + (ramp[low + 1][c] - value) * (at - low)));
}

// Of a cell of the heat map: a part from 0 to 1.
function heat(part, dark, palette) {
  const strong = part ** 0.75;
  if (palette === "safe" || palette === "weight") return `rgb(${between(dark ? strong : 1 - strong).join(" ")})`;
  return dark ? `hsl(${10 + 40 * strong} 90% ${14 + 56 * strong}%)` : `hsl(${50 - 50 * strong} 90% ${88 - 50 * strong}%)`;
}

// Of a frame by its share of the whole: text on it is dark, so the darkest are left out.
function weightColour(share) {
  return `rgb(${between(0.35 + 0.65 * Math.sqrt(share)).map((value) => Math.min(value + 40, 255)).join(" ")})`;
}
