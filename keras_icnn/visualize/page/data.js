"use strict";
// Text of the data is only ever set as text, never as markup.

const content = JSON.parse(document.getElementById("content").textContent);
const byId = (id) => document.getElementById(id);
const PEAK = "#ff2d95";
const SHADE = 0.6;
const PAGE = 24; // filters of a network that are listed at once
const IMAGES = 60;
const MINUS = "\u2212";
const RING = 0.14; // the largest ring, a share of the longer side: one unit of a map of 7 x 7

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
    trained: new Set(network.trained),
    // 0 (silent) to 255 (the filter's highest peak on these images).
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
    followed: (f) => network.groups.follows[network.groups.of[f]] || "",
    // The layer's own part that a filter was assigned to, such as "dog/0"; "" where there is none.
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

// Decimal places that show two digits of a value, at least.
const digitsFor = (value) => Math.min(Math.max(1 - Math.floor(Math.log10(Math.max(value, 1e-12))), 2), 6);

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

// What a group of filters is called: by a name that it was given, its key, or what is known.
function partTitle(network, group) {
  const { names, keys, follows } = network.groups;
  const members = network.members(group);
  if (names[group] || keys[group]) return names[group] || keys[group];
  if (follows[group]) return `${plural(members.length, "filter that follows", "filters that follow")} the ${follows[group]}`;
  if (members.length === 1) return `Filter ${members[0]}`;
  return `Filters ${members.slice(0, 2).join(", ")}${members.length > 2 ? ", …" : ""}`;
}

// On which side of its annotated part a group fires, and at which steady distance; null: not known.
function beside(network, group) {
  const away = network.members(group).map((f) => network.away[f]).filter(Boolean);
  if (!away.length) return null;
  const mean = (k) => away.reduce((sum, d) => sum + d[k], 0) / away.length;
  // From the part to the peak, as shares of the image's width.
  const [dx, dy] = [-mean(0), -mean(1) * aspect];
  const distance = Math.hypot(dx, dy);
  const sides = [];
  if (distance < 0.06) return { sides: "on", distance };
  if (Math.abs(dy) > 0.4 * distance) sides.push(dy > 0 ? "below" : "above");
  if (Math.abs(dx) > 0.4 * distance) sides.push(dx > 0 ? "to the right of" : "to the left of");
  return { sides: sides.join(" and "), distance };
}

// What a group follows, and where it fires, in words; "" where nothing is known.
function followedBy(network, group) {
  const follows = network.groups.follows[group];
  const where = beside(network, group);
  if (!follows) return measured && network.groups.keys[group] ? "follows no annotated part" : "";
  if (!where) return `moves with the ${follows}`;
  if (where.sides === "on") return `fires on the ${follows}`;
  return `fires ${where.sides} the ${follows}, ${percent(where.distance)} of the image away, and moves with it`;
}

// The category of the part that a filter was assigned to; else the one that it is measured on.
const categoryOf = (network, f) => network.groups.categories[network.groups.of[f]] || network.columns.category[f];

const effectOf = (network, group) => network.effects.find((row) => row.group === group);

const decision = (network, picture) => network.decisions[picture];
const aspect = content.size.height / content.size.width;
const className = (label) => content.classes[label];
