// --- drawing ---------------------------------------------------------------------------------

function element(tag, properties = {}, ...children) {
  const made = document.createElement(tag);
  for (const [key, value] of Object.entries(properties)) {
    if (key.startsWith("aria-") || key === "role") made.setAttribute(key, value);
    else made[key] = value;
  }
  made.append(...children.filter((child) => child !== null && child !== ""));
  return made;
}

const loaded = new Map();

function picture(number) {
  if (!loaded.has(number)) {
    loaded.set(
      number,
      new Promise((resolve, reject) => {
        const image = new Image();
        image.onload = () => resolve(image);
        image.onerror = () => reject(new Error(`Image ${number} cannot be read.`));
        image.src = source(number);
      })
    );
  }
  return loaded.get(number);
}

const source = (number) => `data:image/jpeg;base64,${content.pictures[number]}`;

// Draws when the element comes near the screen: a page may list a thousand canvases.
const drawings = new WeakMap();
const watcher = new IntersectionObserver(
  (entries) => {
    for (const { isIntersecting, target } of entries) {
      if (!isIntersecting) continue;
      watcher.unobserve(target);
      drawings.get(target)().then(() => target.setAttribute("data-drawn", ""));
    }
  },
  { rootMargin: "300px" }
);

function canvas(width, height, label, draw) {
  const made = element("canvas", { width: Math.round(width), height: Math.round(height) });
  if (label) {
    made.setAttribute("role", "img");
    made.setAttribute("aria-label", label);
  } else {
    made.setAttribute("aria-hidden", "true");
  }
  drawings.set(made, () => draw(made.getContext("2d"), made));
  watcher.observe(made);
  return made;
}

function circle(context, x, y, radius, color, line) {
  for (const [style, width] of [["rgba(0,0,0,.75)", line * 2.2], [color, line]]) {
    context.beginPath();
    context.arc(x, y, radius, 0, 2 * Math.PI);
    context.strokeStyle = style;
    context.lineWidth = width;
    context.stroke();
  }
}

function dot(context, x, y, radius, color) {
  context.beginPath();
  context.arc(x, y, radius, 0, 2 * Math.PI);
  context.fillStyle = color;
  context.fill();
  context.lineWidth = Math.max(radius / 3, 0.7);
  context.strokeStyle = "#ffffff";
  context.stroke();
}

// A ring as large as what a peak sees would hide an image of which a peak sees nearly all.
const ring = (network) => Math.min(network.radius, RING);

// An image in a box, beyond which nothing is drawn until the context is restored.
async function drawClipped(context, { x, y, width, height }, i) {
  const image = await picture(i);
  context.save();
  context.beginPath();
  context.rect(x, y, width, height);
  context.clip();
  context.drawImage(image, x, y, width, height);
}

// An image, dark where the filter is below half of its peak, ringed at the peak.
async function drawTile(context, box, network, f, number, place) {
  const { x, y, width, height } = box;
  await drawClipped(context, box, number);
  if (place !== undefined) {
    const { rows, columns } = network.cells;
    const map = network.map(f, place);
    // One more cell at each side, like its neighbor, so that the shade reaches the border.
    const shade = element("canvas", { width: columns + 2, height: rows + 2 });
    const pixels = new ImageData(columns + 2, rows + 2);
    for (let r = 0; r < rows + 2; r++) {
      for (let c = 0; c < columns + 2; c++) {
        const row = Math.min(Math.max(r - 1, 0), rows - 1);
        const column = Math.min(Math.max(c - 1, 0), columns - 1);
        const value = map[row * columns + column] / 15;
        const light = Math.min(Math.max((value - 0.25) / 0.4, 0), 1);
        pixels.data[4 * (r * (columns + 2) + c) + 3] = 255 * SHADE * (1 - light);
      }
    }
    shade.getContext("2d").putImageData(pixels, 0, 0);
    const cellWidth = (network.cells.width * width) / columns;
    const cellHeight = (network.cells.height * height) / rows;
    const left = x + network.cells.left * width - cellWidth;
    const top = y + network.cells.top * height - cellHeight;
    context.imageSmoothingEnabled = true;
    // Where the units do not reach, the image is as dark as can be.
    context.fillStyle = `rgba(0,0,0,${SHADE})`;
    const right = left + cellWidth * (columns + 2);
    const bottom = top + cellHeight * (rows + 2);
    context.fillRect(x, y, Math.max(left - x, 0), height);
    context.fillRect(right, y, Math.max(x + width - right, 0), height);
    context.fillRect(left, y, right - left, Math.max(top - y, 0));
    context.fillRect(left, bottom, right - left, Math.max(y + height - bottom, 0));
    context.drawImage(shade, left, top, right - left, bottom - top);
  }
  const [px, py] = network.peak(number, f);
  const center = [x + px * width, y + py * height];
  circle(context, ...center, ring(network) * Math.max(width, height), PEAK, width / 60);
  dot(context, ...center, Math.max(width / 45, 1.5), PEAK);
  context.restore();
}

// Images side by side, `draw(context, box, number, place)` draws one.
function strip(numbers, count, label, draw) {
  const side = 112;
  const gap = 6;
  if (!numbers.length) return element("span", { className: "same", textContent: "fires on none of these images" });
  return canvas(count * (side + gap) - gap, side * aspect, label, async (context) => {
    await Promise.all(
      numbers.map((number, place) =>
        draw(context, { x: place * (side + gap), y: 0, width: side, height: side * aspect }, number, place)
      )
    );
  });
}

const MARKED = 5;

// Places of the numbers: at the peaks, the weaker ones pushed aside where they would overlap.
function apart(parts, width, height, radius) {
  const placed = [];
  for (const p of parts) {
    const tries = [[0, 0]];
    for (let ring = 1; ring < 5; ring++) {
      for (let k = 0; k < 8; k++) tries.push([ring * Math.cos((k * Math.PI) / 4), ring * Math.sin((k * Math.PI) / 4)]);
    }
    const places = tries.map(([dx, dy]) => [
      Math.min(Math.max(p.x * width + 2.2 * radius * dx, radius), width - radius),
      Math.min(Math.max(p.y * height + 2.2 * radius * dy, radius), height - radius),
    ]);
    const free = places.find(([x, y]) => placed.every(([a, b]) => Math.hypot(a - x, b - y) >= 2 * radius));
    placed.push(free || places[0]);
  }
  return placed;
}

// The image with a number where each of the strongest parts fires. Where a part follows an annotated
// one at a steady distance, a line leads from the number to a ring on that one.
async function drawDecision(context, side, network, i) {
  const height = side * aspect;
  context.drawImage(await picture(i), 0, 0, side, height);
  const style = getComputedStyle(document.documentElement);
  const ink = style.getPropertyValue("--page");
  // A part whose maps are nowhere above zero has an effect all the same, but no place.
  const marked = decision(network, i).parts.slice(0, MARKED).map((p, place) => ({ ...p, text: String(place + 1) }));
  const parts = marked.filter((p) => p.x !== null);
  const radius = side / 26;
  const places = apart(parts, side, height, radius);
  const color = (p) => style.getPropertyValue(p.effect > 0 ? "--for" : "--against");
  const line = (from, to, paint, width) => {
    context.beginPath();
    context.moveTo(...from);
    context.lineTo(...to);
    context.lineWidth = width;
    context.strokeStyle = paint;
    context.stroke();
  };
  for (const [k, p] of parts.entries()) {
    const peak = [p.x * side, p.y * height];
    // From a number that had to give way to its peak, and from there to the annotated part.
    line(places[k], peak, ink, side / 130);
    const place = followedPlace(network, p, i);
    if (!place) continue;
    const end = [place[0] * side, place[1] * height];
    line(peak, end, ink, side / 70);
    line(peak, end, color(p), side / 160);
    for (const [paint, width] of [[ink, side / 60], [color(p), side / 120]]) {
      context.beginPath();
      context.arc(...end, radius * 0.6, 0, 2 * Math.PI);
      context.lineWidth = width;
      context.strokeStyle = paint;
      context.stroke();
    }
  }
  for (const p of parts) dot(context, p.x * side, p.y * height, radius / 3, color(p));
  for (const [k, p] of parts.entries()) {
    const [x, y] = places[k];
    context.beginPath();
    context.arc(x, y, radius, 0, 2 * Math.PI);
    context.fillStyle = color(p);
    context.fill();
    context.lineWidth = side / 130;
    context.strokeStyle = ink;
    context.stroke();
    context.fillStyle = ink;
    context.font = `700 ${radius * 1.25}px sans-serif`;
    context.textAlign = "center";
    context.textBaseline = "middle";
    context.fillText(p.text, x, y + radius * 0.08);
  }
}

// Where the annotated part is that a deciding part follows, told from its peak; null: not known, or
// the image shows another category, which has no such part.
function followedPlace(network, p, i) {
  const away = network.away[p.lead];
  const category = network.groups.categories[p.group];
  const shown = category ? className(content.labels[i]) === category : content.labels[i] !== content.background;
  return p.x === null || !away || !shown ? null : [p.x + away[0], p.y + away[1]];
}

// A spot at each peak of the filters that fire, larger where many do; gives how many fire.
function drawSpots(context, box, network, filters, i) {
  const counts = new Map();
  let firing = 0;
  for (const f of filters) {
    // As part_heatmap does: a tenth of the filter's highest peak counts as firing.
    if (network.strength(i, f) <= 25) continue;
    firing++;
    const key = network.peak(i, f).join();
    counts.set(key, (counts.get(key) || 0) + 1);
  }
  for (const [key, count] of [...counts].sort((a, b) => b[1] - a[1])) {
    const [x, y] = key.split(",").map(Number);
    const radius = box.width * (0.008 + 0.07 * Math.sqrt(count / Math.max(firing, 1)));
    context.beginPath();
    context.arc(box.x + x * box.width, box.y + y * box.height, radius, 0, 2 * Math.PI);
    context.fillStyle = "rgba(255,45,149,.75)";
    context.fill();
    context.lineWidth = Math.max(box.width / 300, 0.7);
    context.strokeStyle = "#ffffff";
    context.stroke();
  }
  return firing;
}

// Where all filters fire.
async function drawAll(context, side, network, i) {
  const height = side * aspect;
  const image = await picture(i);
  context.drawImage(image, 0, 0, side, height);
  context.fillStyle = "rgba(0,0,0,.6)";
  context.fillRect(0, 0, side, height);
  return drawSpots(context, { x: 0, y: 0, width: side, height }, network, [...Array(network.filters).keys()], i);
}
