// The profile as the page carries it: names, a tree in pre-order, and columns of samples.

const about = JSON.parse(document.getElementById("about").textContent);

async function unpacked(base64) {
  const packed = Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

// Frames: arrays of names, kinds, modules. The tree: see Tree. Samples: see Samples; null if there
// are none.
async function loaded() {
  const bytes = await unpacked(document.getElementById("data").textContent);
  const length = new DataView(bytes.buffer).getUint32(0, true);
  const head = JSON.parse(new TextDecoder().decode(bytes.subarray(4, 4 + length)));
  let at = 4 + length;
  function number() {
    let value = 0;
    let scale = 1;
    for (;;) {
      const byte = bytes[at++];
      value += (byte & 127) * scale;
      if (byte < 128) return value;
      scale *= 128;
    }
  }
  const builder = new Builder(about.compared);
  const [now, then] = head.root;
  builder.give(0, (now || 0) / head.scale, (then || 0) / head.scale);
  const path = [0];
  for (let left = head.nodes; left > 0; left--) {
    path.length -= number();
    const node = builder.add(path[path.length - 1], number());
    builder.self[node] = number() / head.scale;
    if (about.compared) builder.before[node] = number() / head.scale;
    path.push(node);
  }
  const frames = {
    names: head.frames.map((frame) => frame[0]),
    kinds: head.frames.map((frame) => frame[1]),
    modules: head.frames.map((frame) => frame[2]),
  };
  const samples = head.samples && new Samples(head.samples, number, head.scale);
  return { frames, tree: builder.finish(), samples };
}
