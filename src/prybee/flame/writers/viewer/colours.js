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
};

// Of a change: red for growth, blue for less, white for none; what is new or gone is striking.
function changeColour(change, most, fresh, gone) {
  if (gone) return "#7fa8ff";
  if (fresh) return "#ff8a5c";
  const part = most ? Math.min(Math.abs(change) / most, 1) : 0;
  const light = 96 - 34 * Math.sqrt(part);
  return `hsl(${change >= 0 ? 6 : 216} ${part ? 85 : 0}% ${light}%)`;
}
