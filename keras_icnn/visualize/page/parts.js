// --- parts and filters -------------------------------------------------------------------------

const STRIP = 5;

function filterCard(network, f, rank, order, count = STRIP) {
  const score = measured ? `R² ${number(network.columns.r2[f])}` : `fires on ${percent(network.columns.fired[f])}`;
  const alike = network.alike(f);
  const followed = network.followed(f);
  const together = followed ? `that follow the ${followed}` : "that look at the same place";
  const said = [follows(network, f), categoryOf(network, f)].filter(Boolean).join(" · ");
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
      ? element("span", { className: "same", textContent: `one of ${alike} filters ${network.key(f) ? `of ${partTitle(network, network.groups.of[f])}` : together}` })
      : ""
  );
  card.dataset.filter = f;
  card.addEventListener("click", () => show({ kind: "filter", network: network.number, f, order }));
  return card;
}

// Images of a part's category on which its filters together are strongest, the strongest first; of
// all categories where it has none.
function imagesOfPart(network, group, count) {
  const members = network.members(group);
  const category = network.groups.categories[group];
  return content.labels
    .map((label, i) => [!category || className(label) === category ? members.reduce((sum, f) => sum + network.strength(i, f), 0) : 0, i])
    .filter(([sum]) => sum > 0)
    .sort((a, b) => b[0] - a[0] || a[1] - b[1])
    .slice(0, count)
    .map(([, i]) => i);
}

// An image with a spot wherever filters of the part fire.
async function drawPart(context, box, network, group, i) {
  await drawClipped(context, box, i);
  drawSpots(context, box, network, network.members(group), i);
  context.restore();
}

// A part once: what it is, where it fires, and the way to its filters.
function partBox(network, group, order) {
  const key = network.groups.keys[group];
  const members = network.members(group);
  const label = `Images on which ${key ? `the filters of ${key}` : "these filters"} fire most, with a spot at every peak.`;
  const best = order.find((f) => network.groups.of[f] === group);
  const open = element("button", { type: "button", className: "open", textContent: members.length > 1 ? `Show its ${members.length} filters` : `Show filter ${best}` });
  open.setAttribute("aria-label", `${open.textContent}: ${partTitle(network, group)}`);
  const ordered = members.length > 1 ? order.filter((f) => network.groups.of[f] === group) : order;
  open.addEventListener("click", () => show({ kind: "filter", network: network.number, f: best, order: ordered }));
  const effect = effectOf(network, group);
  const facts = [
    network.groups.categories[group],
    followedBy(network, group),
    key ? plural(members.length, "filter", "filters") : "",
    effect ? `adds ${signed(effect.mean, digitsFor(Math.abs(effect.mean)))} to the score` : "",
  ];
  const title = titleElement("h4", network, group);
  const box = element(
    "div",
    { className: "part" },
    key ? element("div", { className: "head" }, title, keyElement(network, group)) : title,
    element("p", { className: "hint", textContent: facts.filter(Boolean).join(" · ") }),
    strip(imagesOfPart(network, group, STRIP), STRIP, label, (context, box, i) => drawPart(context, box, network, group, i)),
    element("div", { className: "controls" }, open, key ? nameField(network, group) : "")
  );
  box.dataset.part = key || group;
  const field = box.querySelector("label.name input");
  if (field) field.dataset.nameOf = `${network.number}:${group}`;
  return box;
}

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
    : "the share of images on which they fire";
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

const SORTS = [
  ["r2", "R² (follows its part)", -1],
  ["r2_strongest", "R², 30 strongest images", -1],
  ["r2_facing", "R² within facing", -1],
  ["anatomy", "R² in the own frame", -1],
  ["instability", "location instability", 1],
  ["parts", "part overlap", -1],
  ["effect", "effect on its category", -1],
  ["fired", "share of images it fires on", -1],
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
  if (key === "effect") return effectOf(network, network.groups.of[f])?.mean ?? null;
  return network.columns[key][f];
}

function chosenFilters(network) {
  const words = byId("search").value.toLowerCase().split(/\s+/).filter(Boolean);
  const category = byId("category").value;
  const wanted = byId("part").value;
  const [key, , direction] = SORTS.find(([name]) => name === byId("sort").value);
  let filters = network.top.map((_, f) => f).filter((f) => {
    const name = network.groups.names[network.groups.of[f]] || "";
    const of = [String(f), categoryOf(network, f), measured ? follows(network, f) : "", network.key(f), name];
    const text = of.join(" ").toLowerCase();
    // A number is the filter's own, or 1 would find 512 of them.
    const found = (word) => (/^\d+$/.test(word) ? String(f) === word : text.includes(word));
    return (
      words.every(found) &&
      (category === "" || categoryOf(network, f) === category) &&
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
  // A part stands where the first of its filters would.
  const blocks = new Map();
  for (const f of filters) {
    const group = network.groups.of[f];
    blocks.set(group, [...(blocks.get(group) || []), f]);
  }
  if (network.hasParts) filters = [...blocks.values()].flat();
  return filters;
}

// The groups of some filters, each once, in their order.
const groupsOf = (network, filters) => [...new Set(filters.map((f) => network.groups.of[f]))].filter((group) => group >= 0);

// The cards of the first of the filters, those of a part of the layer below its title.
function blocksOf(network, filters, cards) {
  const made = [];
  for (const [place, card] of cards.entries()) {
    const group = network.groups.of[filters[place]];
    if (!network.groups.keys[group]) made.push([null, [card]]);
    else if (made.length && made.at(-1)[0] === group) made.at(-1)[1].push(card);
    else made.push([group, [card]]);
  }
  return made.flatMap(([group, own]) => {
    if (group === null) return own;
    const block = element("div", { className: "part" }, titleElement("h4", network, group), ...own);
    block.dataset.part = network.groups.keys[group];
    return [block];
  });
}

function listFilters() {
  const holder = byId("filter-columns");
  const counts = [];
  holder.replaceChildren(
    ...networks.map((network, n) => {
      const filters = chosenFilters(network);
      const once = byId("once").checked;
      const all = once ? groupsOf(network, filters) : filters;
      const of = once ? `${plural(all.length, "part", "parts")}, ` : "";
      counts.push(`${of}${filters.length} of ${network.filters} filters${networks.length > 1 ? ` in ${network.name}` : ""}`);
      const made = column(
        network,
        ...(once
          ? all.slice(0, listed[n]).map((group) => partBox(network, group, filters))
          : blocksOf(network, filters, filters.slice(0, listed[n]).map((f, place) => filterCard(network, f, `${place + 1}.`, filters))))
      );
      if (all.length > listed[n]) {
        const more = element("button", { type: "button", textContent: `More of ${network.name}` });
        more.addEventListener("click", () => {
          const first = listed[n];
          listed[n] += PAGE;
          listFilters();
          byId("filter-columns").children[n].querySelectorAll(once ? ".open" : ".filter")[first].focus();
        });
        made.append(more);
      }
      if (n !== active) made.dataset.off = "";
      return made;
    })
  );
  byId("count").textContent = `Listed: ${counts.join("; ")}.`;
}

function relist() {
  listed.fill(PAGE);
  listFilters();
  listEffects();
}

function prepareFilters() {
  const found = networks.flatMap((network) => network.top.map((_, f) => categoryOf(network, f)));
  // In the order of the classes, the background last.
  const place = (name) => (name === className(content.background) ? content.classes.length : content.classes.indexOf(name));
  const categories = [...new Set(found)].sort((a, b) => place(a) - place(b));
  options(byId("category"), [["", "any"], ...categories.map((name) => [name, name])]);
  // The first one that has images: the page begins with one category's parts, not those of all.
  const withImages = new Set(content.labels.map(className));
  byId("category").value = categories.find((name) => withImages.has(name)) ?? categories[0];
  byId("part-label").hidden = !measured;
  byId("part-label").style.display = measured ? "" : "none";
  options(byId("part"), [["", "any"], ...content.landmarks.map((name) => [name, name]), ["no part", "no part"]]);
  const known = SORTS.filter(
    ([key]) =>
      key === "number" ||
      key === "alike" ||
      (key === "effect" && networks.some((network) => network.effects.length)) ||
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
  relist();
}
