// The picture as a file.

function save(name, blob) {
  const link = element("a", { download: name, href: URL.createObjectURL(blob) });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}

function xml(text) {
  const marks = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" };
  return text.replace(/[&<>"]/g, (c) => marks[c]).replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/g, "\ufffd");
}

function asSvg(flame, title) {
  const width = 1200;
  const height = flame.rows() * ROW + 40;
  const context = document.createElement("canvas").getContext("2d");
  context.font = "12px sans-serif";
  const parts = [];
  flame.walk(width, (node, x, row, wide, behind) => {
    const name = flame.page.label(flame.tree, node);
    const y = flame.top(row) + 30;
    const label = wide > 24 ? fitting(context, name, wide - 8) : "";
    parts.push(
      `<g${behind ? ' opacity="0.55"' : ""}><title>${xml(flame.page.said(flame.tree, node))}</title>` +
        `<rect x="${x.toFixed(1)}" y="${y}" width="${Math.max(wide - 0.5, 0.4).toFixed(1)}" height="${ROW - 1}" fill="${flame.page.colour(flame.tree, node)}"/>` +
        `<text x="${(x + 4).toFixed(1)}" y="${y + 13}">${xml(label)}</text></g>`,
    );
  });
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" font-family="sans-serif" font-size="12">` +
    `<rect width="100%" height="100%" fill="#fff"/><text x="600" y="20" font-size="16" text-anchor="middle">${xml(title)}</text>${parts.join("\n")}</svg>\n`
  );
}

// What is seen, on the page's ground.
function asPng(flame) {
  const { canvas, page } = flame;
  const copy = document.createElement("canvas");
  copy.width = canvas.width;
  copy.height = canvas.height;
  const context = copy.getContext("2d");
  context.fillStyle = page.dark() ? "#16181c" : "#fff";
  context.fillRect(0, 0, copy.width, copy.height);
  context.drawImage(canvas, 0, 0);
  return new Promise((done) => copy.toBlob(done, "image/png"));
}
