"use strict";
// Text of the data is only ever set as text, never as markup.

const content = JSON.parse(document.getElementById("content").textContent);
const byId = (id) => document.getElementById(id);
const PEAK = "#ff2d95";
const SHADE = 0.6;
const PAGE = 24; // filters of a network that are listed at once
const PICTURES = 60;
const MINUS = "\u2212";

// --- data ------------------------------------------------------------------------------------

function bytes(text) {
  return Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
}

function once(make) {
  let value;
  return () => (value === undefined ? (value = make()) : value);
}

const networks = content.networks.map((network, number) => {
  const filters = network.filters;
  const cells = network.cells.rows * network.cells.columns;
  const mapBytes = Math.ceil(cells / 2);
  const units = once(() => new Uint16Array(bytes(network.units).buffer));
  const strengths = once(() => bytes(network.strengths));
  const maps = once(() => bytes(network.maps));
  const width = network.x.length;
  const sizes = new Map();
  for (const group of network.groups.of) sizes.set(group, (sizes.get(group) || 0) + 1);
  return {
    ...network,
    number,
    // 0 (silent) to 255 (the filter's highest peak on these pictures).
    strength: (picture, f) => strengths()[picture * filters + f],
    // The peak's place, shares of width and height.
    peak(picture, f) {
      const unit = units()[picture * filters + f];
      return [network.x[unit % width], network.y[Math.floor(unit / width)]];
    },
    map(f, place) {
      const start = (f * network.top[f].length + place) * mapBytes;
      const packed = maps().subarray(start, start + mapBytes);
      return Array.from({ length: cells }, (_, i) => (i % 2 ? packed[i >> 1] & 15 : packed[i >> 1] >> 4));
    },
    strongest: (f) => network.top[f].filter((picture) => picture >= 0),
    alike(f) {
      const group = network.groups.of[f];
      return group < 0 ? 1 : sizes.get(group);
    },
    // The annotated part that a filter's group follows; "" where they are together by their place.
    followed: (f) => network.groups.names[network.groups.of[f]] || "",
    // The layer's own part that a filter was dealt out to, such as "dog/0"; "" where there is none.
    key: (f) => network.groups.keys[network.groups.of[f]] || "",
    hasParts: network.groups.keys.some(Boolean),
    members: (group) => network.groups.of.flatMap((g, f) => (g === group ? [f] : [])),
  };
});

const measured = content.landmarks.length > 0;

function number(value, digits = 2) {
  return value === null || value === undefined ? "–" : value.toFixed(digits).replace("-", MINUS);
}

function signed(value, digits = 2) {
  return (value > 0 ? "+" : "") + number(value, digits);
}

function percent(value) {
  return value === null ? "–" : `${Math.round(100 * value)}%`;
}

function plural(count, one, many) {
  return `${count} ${count === 1 ? one : many}`;
}

// What a filter follows, in words.
function follows(network, f) {
  const r2 = network.columns.r2[f];
  if (!measured || r2 === null) return "";
  if (r2 <= 0) return "follows no part";
  return `follows the ${network.columns.landmark[f]}${r2 > 0.5 ? "" : " loosely"}`;
}

function part(network, f) {
  const r2 = network.columns.r2[f];
  return r2 !== null && r2 > 0 ? network.columns.landmark[f] : "no part";
}

const decision = (network, picture) => network.decisions[picture];
const className = (label) => content.classes[label];

// --- elements --------------------------------------------------------------------------------

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
        image.onerror = () => reject(new Error(`Picture ${number} cannot be read.`));
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

const aspect = content.size.height / content.size.width;

function circle(context, x, y, radius, color, line) {
  for (const [style, width] of [["rgba(0,0,0,.75)", line * 2.2], [color, line]]) {
    context.beginPath();
    context.arc(x, y, radius, 0, 2 * Math.PI);
    context.strokeStyle = style;
    context.lineWidth = width;
    context.stroke();
  }
}

// A picture, dark where the filter is below half of its peak, ringed at the peak.
async function drawTile(context, box, network, f, number, place) {
  const { x, y, width, height } = box;
  const image = await picture(number);
  context.save();
  context.beginPath();
  context.rect(x, y, width, height);
  context.clip();
  context.drawImage(image, x, y, width, height);
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
    // Where the units do not reach, the picture is as dark as can be.
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
  circle(context, x + px * width, y + py * height, network.radius * Math.max(width, height), PEAK, width / 60);
  context.restore();
}

// Pictures side by side, `draw(context, box, number, place)` draws one.
function strip(numbers, count, label, draw) {
  const side = 112;
  const gap = 6;
  if (!numbers.length) return element("span", { className: "same", textContent: "fires on none of these pictures" });
  return canvas(count * (side + gap) - gap, side * aspect, label, async (context) => {
    await Promise.all(
      numbers.map((number, place) =>
        draw(context, { x: place * (side + gap), y: 0, width: side, height: side * aspect }, number, place)
      )
    );
  });
}

function filterCard(network, f, rank, order, count = 5) {
  const score = measured ? `R² ${number(network.columns.r2[f])}` : `fires on ${percent(network.columns.fired[f])}`;
  const alike = network.alike(f);
  const followed = network.followed(f);
  const together = followed ? `that follow the ${followed}` : "that look at the same place";
  const said = [follows(network, f), network.columns.category[f]].filter(Boolean).join(" · ");
  const card = element(
    "button",
    { type: "button", className: "filter" },
    element(
      "span",
      { className: "head" },
      rank ? element("span", { className: "rank", textContent: rank }) : "",
      element("strong", { textContent: `Filter ${f}` }),
      element("span", { textContent: said }),
      element("span", { className: "score", textContent: score })
    ),
    strip(network.strongest(f).slice(0, count), count, "", (context, box, number, place) =>
      drawTile(context, box, network, f, number, place)
    ),
    alike > 1
      ? element("span", { className: "same", textContent: `one of ${alike} filters ${network.key(f) ? `of ${network.key(f)}` : together}` })
      : ""
  );
  card.dataset.filter = f;
  card.addEventListener("click", () => show({ kind: "filter", network: network.number, f, order }));
  return card;
}

// Pictures of a part's category on which its filters together are strongest, the strongest first.
function picturesOfPart(network, group, count) {
  const members = network.members(group);
  const category = network.groups.categories[group];
  return content.labels
    .map((label, i) => [className(label) === category ? members.reduce((sum, f) => sum + network.strength(i, f), 0) : 0, i])
    .filter(([sum]) => sum > 0)
    .sort((a, b) => b[0] - a[0] || a[1] - b[1])
    .slice(0, count)
    .map(([, i]) => i);
}

// A picture with a spot wherever filters of the part fire.
async function drawPart(context, box, network, group, i) {
  const { x, y, width, height } = box;
  const image = await picture(i);
  context.save();
  context.beginPath();
  context.rect(x, y, width, height);
  context.clip();
  context.drawImage(image, x, y, width, height);
  drawSpots(context, box, network, network.members(group), i);
  context.restore();
}

// A part of the layer: what it is, its pictures, and the cards of its filters.
function partBlock(network, group, cards, count = 5) {
  const [key, name] = [network.groups.keys[group], network.groups.names[group]];
  const said = [name ? `follows the ${name}` : "", network.groups.categories[group], plural(network.members(group).length, "filter", "filters")];
  const label = `Pictures on which the filters of ${key} fire most, with a spot at every peak.`;
  const block = element(
    "div",
    { className: "part" },
    element("h4", { textContent: key }),
    element("p", { className: "hint", textContent: said.filter(Boolean).join(" · ") }),
    strip(picturesOfPart(network, group, count), count, label, (context, box, i) => drawPart(context, box, network, group, i)),
    ...cards
  );
  block.dataset.part = key;
  return block;
}

// --- at a glance -----------------------------------------------------------------------------

// R2 where parts are known, else how strongly it fires; dead filters last.
const score = (network, f) => (measured ? network.columns.r2[f] : network.columns.fired[f]) ?? -Infinity;

function sorted(network, value, filters = network.top.map((_, f) => f)) {
  const dead = (f) => (network.columns.alive[f] ? 0 : 1);
  return [...filters].sort((a, b) => dead(a) - dead(b) || value(network, b) - value(network, a) || a - b);
}

function kind(network) {
  const filters = plural(network.filters, "filter", "filters");
  return `${network.interpretable ? "interpretable" : "ordinary"} layer “${network.layer}”, ${filters}`;
}

function column(network, ...children) {
  return element(
    "div",
    { className: `column network-${network.number}` },
    element("h3", { textContent: network.name }),
    element("p", { textContent: kind(network) }),
    ...children
  );
}

function glance() {
  byId("glance-rule").textContent = measured
    ? "R²: how much of the movement of a part the place of the filter explains"
    : "the share of pictures on which they fire";
  const holder = byId("glance-columns");
  holder.classList.toggle("one", networks.length === 1);
  for (const network of networks) {
    const order = sorted(network, score);
    const ranks = [["best", 0], ["middle", 0.5], ["weak", 0.9]];
    const cards = ranks.map(([word, share]) =>
      filterCard(network, order[Math.round(share * (order.length - 1))], word, order)
    );
    holder.append(column(network, ...cards));
  }
}

// --- filters ---------------------------------------------------------------------------------

const SORTS = [
  ["r2", "R² (follows its part)", -1],
  ["r2_strongest", "R², 30 strongest pictures", -1],
  ["r2_facing", "R² within facing", -1],
  ["anatomy", "R² in the own frame", -1],
  ["instability", "location instability", 1],
  ["parts", "part overlap", -1],
  ["fired", "share of pictures it fires on", -1],
  ["mean_peak", "mean strength", -1],
  ["alike", "filters of the same part", -1],
  ["number", "number", 1],
];

let active = 0;
const listed = networks.map(() => PAGE);

function options(select, values) {
  select.append(...values.map(([value, text]) => element("option", { value, textContent: text })));
}

function valueOf(network, f, key) {
  if (key === "number") return f;
  if (key === "alike") return network.alike(f);
  return network.columns[key][f];
}

function chosenFilters(network) {
  const words = byId("search").value.toLowerCase().split(/\s+/).filter(Boolean);
  const category = byId("category").value;
  const wanted = byId("part").value;
  const [key, , direction] = SORTS.find(([name]) => name === byId("sort").value);
  let filters = network.top.map((_, f) => f).filter((f) => {
    const of = [String(f), network.columns.category[f], measured ? follows(network, f) : "", network.key(f)];
    const text = of.join(" ").toLowerCase();
    // A number is the filter's own, or 1 would find 512 of them.
    const found = (word) => (/^\d+$/.test(word) ? String(f) === word : text.includes(word));
    return (
      words.every(found) &&
      (category === "" || network.columns.category[f] === category) &&
      (wanted === "" || part(network, f) === wanted)
    );
  });
  // Undefined values come last whichever way is sorted.
  const value = (f) => {
    const raw = valueOf(network, f, key);
    return raw === null ? -Infinity : -direction * raw;
  };
  if (key === "number") filters.sort((a, b) => a - b);
  else filters.sort((a, b) => value(b) - value(a) || a - b);
  if (together(network)) {
    // A part stands where the first of its filters would.
    const blocks = new Map();
    for (const f of filters) {
      const group = network.groups.of[f];
      blocks.set(group, [...(blocks.get(group) || []), f]);
    }
    filters = [...blocks.values()].flat();
  }
  if (byId("once").checked) {
    const seen = new Set();
    filters = filters.filter((f) => {
      const group = network.groups.of[f];
      return group < 0 || (!seen.has(group) && seen.add(group));
    });
  }
  return filters;
}

const together = (network) => network.hasParts && byId("together").checked;

// The cards of the first of the filters, those of a part of the layer in its block.
function blocksOf(network, filters, cards) {
  const made = [];
  for (const [place, card] of cards.entries()) {
    const group = network.groups.of[filters[place]];
    if (!together(network) || !network.groups.keys[group]) made.push([null, [card]]);
    else if (made.length && made.at(-1)[0] === group) made.at(-1)[1].push(card);
    else made.push([group, [card]]);
  }
  return made.flatMap(([group, own]) => (group === null ? own : [partBlock(network, group, own)]));
}

function listFilters() {
  const holder = byId("filter-columns");
  const counts = [];
  holder.replaceChildren(
    ...networks.map((network, n) => {
      const filters = chosenFilters(network);
      counts.push(`${filters.length} of ${network.filters}${networks.length > 1 ? ` in ${network.name}` : ""}`);
      const cards = filters.slice(0, listed[n]).map((f, place) => filterCard(network, f, `${place + 1}.`, filters));
      const made = column(network, ...blocksOf(network, filters, cards));
      if (filters.length > listed[n]) {
        const more = element("button", { type: "button", textContent: `More filters of ${network.name}` });
        more.addEventListener("click", () => {
          const first = listed[n];
          listed[n] += PAGE;
          listFilters();
          byId("filter-columns").children[n].querySelectorAll(".filter")[first].focus();
        });
        made.append(more);
      }
      if (n !== active) made.dataset.off = "";
      return made;
    })
  );
  byId("count").textContent = `Filters listed: ${counts.join(", ")}.`;
}

function relist() {
  listed.fill(PAGE);
  listFilters();
}

function prepareFilters() {
  const categories = [...new Set(networks.flatMap((network) => network.columns.category))];
  options(byId("category"), [["", "any"], ...categories.map((name) => [name, name])]);
  byId("part-label").hidden = !measured;
  byId("part-label").style.display = measured ? "" : "none";
  options(byId("part"), [["", "any"], ...content.landmarks.map((name) => [name, name]), ["no part", "no part"]]);
  const known = SORTS.filter(
    ([key]) =>
      key === "number" ||
      key === "alike" ||
      networks.every((network) => network.columns[key] && network.columns[key].some((v) => v !== null))
  );
  options(byId("sort"), known);
  byId("filter-columns").classList.add(networks.length > 1 ? "switched" : "one");
  for (const input of byId("controls").querySelectorAll("input, select")) input.addEventListener("input", relist);
  byId("controls").addEventListener("submit", (event) => event.preventDefault());
  // On narrow screens one network at a time.
  if (networks.length > 1) {
    byId("switch").classList.add("two");
    for (const network of networks) {
      const button = element("button", { type: "button", textContent: network.name, "aria-pressed": String(network.number === 0) });
      button.addEventListener("click", () => {
        active = network.number;
        for (const [n, other] of [...byId("switch").children].entries()) other.setAttribute("aria-pressed", String(n === active));
        listFilters();
      });
      byId("switch").append(button);
    }
  }
  listFilters();
}

// --- pictures --------------------------------------------------------------------------------

let pictureLimit = PICTURES;

const right = (network, number) => decision(network, number).predicted === content.labels[number];

function chosenPictures() {
  const words = byId("picture-search").value.toLowerCase().split(/\s+/).filter(Boolean);
  const [what, which] = byId("picture-show").value.split(":");
  return content.labels.map((_, i) => i).filter((i) => {
    const text = `${className(content.labels[i])} ${content.files[i]}`.toLowerCase();
    if (!words.every((word) => text.includes(word))) return false;
    if (what === "class") return content.labels[i] === Number(which);
    if (what === "wrong") return !right(networks[Number(which)], i);
    if (what === "differ") return decision(networks[0], i).predicted !== decision(networks[1], i).predicted;
    return true;
  });
}

function verdict(network, i) {
  const { predicted } = decision(network, i);
  return `${network.name} says ${className(predicted)}`;
}

function pictureCard(i, order) {
  const wrong = networks.filter((network) => !right(network, i)).map((network) => verdict(network, i));
  const card = element(
    "button",
    { type: "button", className: "picture" },
    element("img", { src: source(i), alt: "", loading: "lazy", width: content.size.width, height: content.size.height }),
    element("span", { textContent: `${className(content.labels[i])}` }),
    ...wrong.map((text) => element("span", { className: "wrong", textContent: text }))
  );
  card.dataset.picture = i;
  card.setAttribute("aria-label", [`${className(content.labels[i])}, ${content.files[i]}`, ...wrong].join("; "));
  card.addEventListener("click", () => show({ kind: "picture", i, order }));
  return card;
}

function listPictures() {
  const chosen = chosenPictures();
  byId("picture-grid").replaceChildren(...chosen.slice(0, pictureLimit).map((i) => pictureCard(i, chosen)));
  byId("picture-count").textContent = `${plural(chosen.length, "picture", "pictures")} of ${content.labels.length}.`;
  byId("more-pictures").hidden = chosen.length <= pictureLimit;
}

function preparePictures() {
  const present = content.classes.map((name, label) => [label, name]).filter(([label]) => content.labels.includes(label));
  options(byId("picture-show"), [
    ["all", "all"],
    ...present.map(([label, name]) => [`class:${label}`, `class ${name}`]),
    ...networks.map((network) => [`wrong:${network.number}`, `${network.name} is wrong`]),
    ...(networks.length > 1 ? [["differ", "the networks disagree"]] : []),
  ]);
  for (const id of ["picture-search", "picture-show"]) {
    byId(id).addEventListener("input", () => {
      pictureLimit = PICTURES;
      listPictures();
    });
  }
  byId("picture-controls").addEventListener("submit", (event) => event.preventDefault());
  byId("more-pictures").addEventListener("click", () => {
    const first = pictureLimit;
    pictureLimit += PICTURES;
    listPictures();
    byId("picture-grid").children[first].focus();
  });
  listPictures();
}

// --- the dialog: one filter, or one picture ----------------------------------------------------

const visited = [];

function show(view) {
  visited.push(view);
  if (!byId("dialog").open) byId("dialog").showModal();
  render();
}

function render() {
  const view = visited.at(-1);
  byId("back").hidden = visited.length < 2;
  const [title, ...children] = view.kind === "filter" ? filterView(view) : pictureView(view);
  byId("dialog-title").textContent = title;
  byId("dialog-body").replaceChildren(...children);
  const place = view.order ? view.order.indexOf(view.kind === "filter" ? view.f : view.i) : -1;
  byId("previous").disabled = place <= 0;
  byId("next").disabled = place < 0 || place >= view.order.length - 1;
  byId("dialog").scrollTop = 0;
  byId("dialog-title").focus();
}

function step(by) {
  const view = visited.at(-1);
  const key = view.kind === "filter" ? "f" : "i";
  visited[visited.length - 1] = { ...view, [key]: view.order[view.order.indexOf(view[key]) + by] };
  render();
}

function facts(pairs) {
  return element(
    "dl",
    { className: "facts" },
    ...pairs
      .filter(([, value]) => value !== "" && value !== undefined)
      .map(([name, value]) => element("div", {}, element("dt", { textContent: name }), element("dd", { textContent: value })))
  );
}

function where(x, y) {
  if (x === null) return "nowhere above zero";
  const across = x < 0.4 ? "left" : x > 0.6 ? "right" : "middle";
  const down = y < 0.4 ? "top" : y > 0.6 ? "bottom" : "middle";
  return across === "middle" && down === "middle" ? "in the middle" : `${down} ${across}`;
}

function tile(network, f, i, place) {
  const side = 200;
  const share = percent(network.strength(i, f) / 255);
  const name = className(content.labels[i]);
  const made = element(
    "button",
    { type: "button", className: "picture" },
    canvas(side, side * aspect, "", (context) =>
      drawTile(context, { x: 0, y: 0, width: side, height: side * aspect }, network, f, i, place)
    ),
    element("span", { textContent: `${name} · ${share}` })
  );
  made.setAttribute(
    "aria-label",
    `${name}, ${content.files[i]}: fires at ${share} of its highest, ${where(...network.peak(i, f))}. Explain the decision.`
  );
  made.addEventListener("click", () => show({ kind: "picture", i }));
  return made;
}

// Pictures of the filter's category on which it fires, from strongest to weakest, evenly spaced.
function sample(network, f, count) {
  const category = network.columns.category[f];
  const firing = content.labels
    .map((label, i) => [network.strength(i, f), i, label])
    .filter(([strength, , label]) => strength > 0 && className(label) === category)
    .sort((a, b) => b[0] - a[0] || a[1] - b[1])
    .map(([, i]) => i);
  const n = Math.min(count, firing.length);
  const places = Array.from({ length: n }, (_, k) => Math.round((k * (firing.length - 1)) / Math.max(n - 1, 1)));
  return [firing.length, places.map((place) => firing[place])];
}

function filterView({ network: n, f }) {
  const network = networks[n];
  const columns = network.columns;
  const strongest = network.strongest(f);
  const [firing, spread] = sample(network, f, 12);
  const group = network.groups.of[f];
  const alike = network.groups.of.map((g, other) => [g, other]).filter(([g, other]) => g === group && g >= 0 && other !== f);
  const label = content.labels.filter((l) => className(l) === columns.category[f]).length;
  const children = [
    facts([
      ["Network", network.name],
      ["Category", columns.category[f]],
      ["Part", [network.key(f), network.key(f) ? network.followed(f) : ""].filter(Boolean).join(": ")],
      ["Follows", measured ? follows(network, f).replace("follows ", "") : ""],
      ["R²", measured ? number(columns.r2[f]) : ""],
      ["R², 30 strongest", measured ? number(columns.r2_strongest[f]) : ""],
      ["R² within facing", measured && columns.r2_facing[f] !== null ? number(columns.r2_facing[f]) : ""],
      ["R² in the own frame", measured && columns.anatomy[f] !== null ? number(columns.anatomy[f]) : ""],
      ["Instability", measured ? number(columns.instability[f], 3) : ""],
      ["Part overlap", columns.parts ? number(columns.parts[f]) : ""],
      ["Fires on", `${percent(columns.fired[f])} of its category`],
    ]),
  ];
  if (alike.length) {
    const chips = alike.slice(0, 24).map(([, other]) => {
      const chip = element("button", { type: "button", textContent: `Filter ${other}` });
      chip.addEventListener("click", () => show({ kind: "filter", network: n, f: other }));
      return chip;
    });
    const more = alike.length > 24 ? `, ${alike.length - 24} more of them not shown` : "";
    const followed = network.followed(f);
    const key = network.key(f);
    const others = key
      ? `${plural(alike.length, "other filter was", "other filters were")} dealt out to ${key}, too`
      : followed
      ? `${plural(alike.length, "other filter follows", "other filters follow")} the ${followed}, too`
      : `${plural(alike.length, "other filter looks", "other filters look")} at the same place in the same pictures`;
    children.push(
      element("p", { textContent: `${others}: they are one part${more}.` }),
      element("div", { className: "chips" }, ...chips)
    );
  }
  children.push(
    element("h3", { textContent: "Where it is strongest" }),
    element("p", { className: "hint", textContent: "Bright: where it is near its peak. Ring: what the peak sees. Percent: of its highest strength. Choose a picture to see why it was classified so." }),
    strongest.length
      ? element("div", { className: "grid" }, ...strongest.map((i, place) => tile(network, f, i, place)))
      : element("p", { textContent: "It fires on none of these pictures." })
  );
  if (spread.length) {
    children.push(
      element("h3", { textContent: "A fair sample" }),
      element("p", {
        className: "hint",
        textContent: `From strongest to weakest, evenly spaced among the ${firing} of ${label} pictures of “${columns.category[f]}” on which it fires.`,
      }),
      element("div", { className: "grid" }, ...spread.map((i) => tile(network, f, i)))
    );
  }
  return [`Filter ${f}${measured ? `, ${follows(network, f)}` : ""}`, ...children];
}

const MARKED = 5;

function partName(p) {
  const of = p.category ? ` of ${p.category}` : "";
  const filters = p.count > 1 ? `filter ${p.lead} and ${p.count - 1} more` : `filter ${p.lead}`;
  const name = p.name ? `${p.name}${of}` : p.key;
  return name ? `${name}: ${p.count > 1 ? `${p.count} filters` : filters}` : filters + (p.category ? ` (${p.category})` : "");
}

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

async function drawDecision(context, side, network, i) {
  const height = side * aspect;
  context.drawImage(await picture(i), 0, 0, side, height);
  const style = getComputedStyle(document.documentElement);
  // A part whose maps are nowhere above zero has an effect all the same, but no place.
  const marked = decision(network, i).parts.slice(0, MARKED).map((p, place) => ({ ...p, text: String(place + 1) }));
  const parts = marked.filter((p) => p.x !== null);
  const radius = side / 26;
  const ink = style.getPropertyValue("--page");
  for (const [place, [x, y]] of apart(parts, side, height, radius).entries()) {
    const p = parts[place];
    // A line from a number that had to give way to the place it means.
    context.beginPath();
    context.moveTo(x, y);
    context.lineTo(p.x * side, p.y * height);
    context.lineWidth = side / 130;
    context.strokeStyle = ink;
    context.stroke();
    context.beginPath();
    context.arc(x, y, radius, 0, 2 * Math.PI);
    context.fillStyle = style.getPropertyValue(p.effect > 0 ? "--for" : "--against");
    context.fill();
    context.lineWidth = side / 130;
    context.stroke();
    context.fillStyle = ink;
    context.font = `700 ${radius * 1.25}px sans-serif`;
    context.textAlign = "center";
    context.textBaseline = "middle";
    context.fillText(p.text, x, y + radius * 0.08);
  }
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

function effectLine(marker, text, value) {
  return element(
    "span",
    { className: "line" },
    marker || element("span", { className: "number", textContent: "", hidden: true }),
    element("span", { textContent: text }),
    element("span", { className: "value", textContent: value })
  );
}

function decisionView(network, i) {
  const d = decision(network, i);
  const side = 480;
  const isRight = d.predicted === content.labels[i];
  const sure = d.probability === null ? "" : ` (${percent(d.probability)})`;
  const largest = Math.max(...d.parts.map((p) => Math.abs(p.effect)), 1e-12);
  // Two digits of the largest effect, at least.
  const digits = Math.min(Math.max(1 - Math.floor(Math.log10(largest)), 2), 6);
  const added = (value) => signed(value, digits);
  const label = d.parts.slice(0, MARKED).map((p, k) => `${k + 1}: ${partName(p)}, ${where(p.x, p.y)}, ${added(p.effect)}`);
  const items = d.parts.map((p, place) => {
    const against = p.effect <= 0;
    const mark = element("span", { className: `number${against ? " against" : ""}`, textContent: place < MARKED ? String(place + 1) : "·" });
    const bar = element("progress", { max: 1, value: Math.abs(p.effect) / largest, className: against ? "against" : "" , "aria-hidden": "true" });
    const button = element("button", { type: "button" }, effectLine(mark, partName(p), added(p.effect)), bar);
    button.setAttribute("aria-label", `${partName(p)}: ${added(p.effect)}, speaks ${against ? "against" : "for"} ${className(d.predicted)}. Show filter ${p.lead}.`);
    button.addEventListener("click", () => show({ kind: "filter", network: network.number, f: p.lead }));
    return element("li", {}, button);
  });
  const plain = (text, value, className = "plain") => element("li", { className }, effectLine(null, text, value));
  if (d.others.count) items.push(plain(plural(d.others.count, "other part", "other parts"), added(d.others.effect)));
  items.push(plain("without any filter", added(d.baseline)));
  if (Math.abs(d.remainder) >= 0.5 * 10 ** -digits) items.push(plain("remainder (parts acting together)", added(d.remainder)));
  items.push(plain(`score for “${className(d.predicted)}”`, number(d.score, digits), "plain total"));
  const made = column(
    network,
    element("p", { className: `verdict${isRight ? "" : " wrong"}`, textContent: `Says ${className(d.predicted)}${sure}: ${isRight ? "right" : "wrong"}` }),
    element(
      "div",
      { className: "decision" },
      canvas(side, side * aspect, `The picture, with the parts that decided. ${label.join("; ")}`, (context) => drawDecision(context, side, network, i))
    ),
    element("h4", { textContent: "What decided" }),
    element("p", { className: "hint", textContent: `What each part adds to the score for “${className(d.predicted)}”: green for it, orange against it. Choose one to see its filter.` }),
    element("ol", { className: "effects" }, ...items),
    element("h4", { textContent: "Where all its filters fire" }),
    element(
      "div",
      { className: "decision" },
      canvas(side, side * aspect, "The picture, darkened, with a spot at the peak of every filter that fires; larger spots where many fire.", (context) => drawAll(context, side, network, i))
    )
  );
  return made;
}

function pictureView({ i }) {
  return [
    `The decision on this ${className(content.labels[i])}`,
    element("p", { className: "hint", textContent: content.files[i] }),
    element("div", { className: networks.length > 1 ? "columns" : "columns one" }, ...networks.map((network) => decisionView(network, i))),
  ];
}

function prepareDialog() {
  const dialog = byId("dialog");
  byId("close").addEventListener("click", () => dialog.close());
  byId("back").addEventListener("click", () => {
    visited.pop();
    render();
  });
  byId("previous").addEventListener("click", () => step(-1));
  byId("next").addEventListener("click", () => step(1));
  dialog.addEventListener("close", () => {
    visited.length = 0;
    byId("dialog-body").replaceChildren();
  });
  // A press on the backdrop closes; one that began inside does not.
  dialog.addEventListener("mousedown", (event) => {
    const box = dialog.getBoundingClientRect();
    const inside = event.clientX >= box.left && event.clientX <= box.right && event.clientY >= box.top && event.clientY <= box.bottom;
    if (event.target === dialog && !inside) dialog.close();
  });
}

// --- light and dark --------------------------------------------------------------------------

function prepareTheme() {
  const button = byId("theme");
  const system = matchMedia("(prefers-color-scheme: dark)");
  const isDark = () => (document.documentElement.dataset.theme || (system.matches ? "dark" : "light")) === "dark";
  const label = () => (button.textContent = isDark() ? "Light" : "Dark");
  button.addEventListener("click", () => {
    document.documentElement.dataset.theme = isDark() ? "light" : "dark";
    label();
  });
  system.addEventListener("change", label);
  label();
}

prepareTheme();
prepareDialog();
glance();
prepareFilters();
preparePictures();
document.documentElement.dataset.ready = "";
