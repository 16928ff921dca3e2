// --- the dialog: one filter, or one image -------------------------------------------------------

const visited = [];

function show(view) {
  visited.push(view);
  if (!byId("dialog").open) byId("dialog").showModal();
  render();
}

const addressOf = (view) => (view.kind === "filter" ? `#filter-${view.network}-${view.f}` : `#image-${view.i}`);

// The view that an address stands for, or null: #filter-0-12 is filter 12 of the first network.
function viewOf(address) {
  const [, kind, first, second] = /^#(filter|image)-(\d+)(?:-(\d+))?$/.exec(address) || [];
  if (kind === "filter" && second !== undefined && networks[first] && Number(second) < networks[first].filters) {
    return { kind, network: Number(first), f: Number(second), order: [...Array(networks[first].filters).keys()] };
  }
  if (kind === "image" && second === undefined && Number(first) < content.labels.length) {
    return { kind, i: Number(first), order: content.labels.map((_, i) => i) };
  }
  return null;
}

function openAddress() {
  const view = viewOf(location.hash);
  if (!view || (visited.length && addressOf(visited.at(-1)) === location.hash)) return;
  show(view);
}

function render() {
  const view = visited.at(-1);
  byId("back").hidden = visited.length < 2;
  const [title, ...children] = view.kind === "filter" ? filterView(view) : imageView(view);
  byId("dialog-title").textContent = title;
  byId("dialog-body").replaceChildren(...children);
  const place = view.order ? view.order.indexOf(view.kind === "filter" ? view.f : view.i) : -1;
  byId("previous").disabled = place <= 0;
  byId("next").disabled = place < 0 || place >= view.order.length - 1;
  // The address of the page leads here again: it can be kept, or sent with the file.
  history.replaceState(null, "", addressOf(view));
  byId("dialog").scrollTop = 0;
  byId("dialog-title").focus();
}

function step(by) {
  const view = visited.at(-1);
  const key = view.kind === "filter" ? "f" : "i";
  visited[visited.length - 1] = { ...view, [key]: view.order[view.order.indexOf(view[key]) + by] };
  render();
}

function details(title, ...children) {
  return element("details", {}, element("summary", { textContent: title }), ...children);
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
  made.addEventListener("click", () => show({ kind: "image", i }));
  return made;
}

// Images of the filter's category on which it fires, from strongest to weakest, evenly spaced.
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
      ["Part", network.key(f) ? [partTitle(network, group), network.groups.names[group] && network.key(f)].filter(Boolean).join(", ") : ""],
      ["Its part", followedBy(network, group)],
      ["Fires on", `${percent(columns.fired[f])} of its category`],
    ]),
    details("Measures of this filter", facts([
      ["Follows", measured ? follows(network, f).replace("follows ", "") : ""],
      ["R²", measured ? number(columns.r2[f]) : ""],
      ["R², 30 strongest", measured ? number(columns.r2_strongest[f]) : ""],
      ["R² within facing", measured && columns.r2_facing[f] !== null ? number(columns.r2_facing[f]) : ""],
      ["R² in the own frame", measured && columns.anatomy[f] !== null ? number(columns.anatomy[f]) : ""],
      ["Instability", measured ? number(columns.instability[f], 3) : ""],
      ["Part overlap", columns.parts ? number(columns.parts[f]) : ""],
      ["Mean strength", number(columns.mean_peak[f])],
    ])),
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
      ? `${plural(alike.length, "other filter was", "other filters were")} assigned to ${partTitle(network, group)}, too`
      : followed
      ? `${plural(alike.length, "other filter follows", "other filters follow")} the ${followed}, too`
      : `${plural(alike.length, "other filter looks", "other filters look")} at the same place in the same images`;
    children.push(
      element("p", { textContent: `${others}: they are one part${more}.` }),
      element("div", { className: "chips" }, ...chips)
    );
  }
  children.push(
    element("h3", { textContent: "Where it is strongest" }),
    element("p", { className: "hint", textContent: `Bright: where it is near its peak. Ring: ${network.radius > RING ? "around its peak, smaller than what the peak sees" : "what the peak sees"}. Percent: of its highest strength. Choose an image to see why it was classified so.` }),
    strongest.length
      ? element("div", { className: "grid" }, ...strongest.map((i, place) => tile(network, f, i, place)))
      : element("p", { textContent: "It fires on none of these images." })
  );
  if (spread.length) {
    children.push(
      element("h3", { textContent: "A fair sample" }),
      element("p", {
        className: "hint",
        textContent: `From strongest to weakest, evenly spaced among the ${firing} of ${label} images of “${columns.category[f]}” on which it fires.`,
      }),
      element("div", { className: "grid" }, ...spread.map((i) => tile(network, f, i)))
    );
  }
  return [`Filter ${f}${measured ? `, ${follows(network, f)}` : ""}`, ...children];
}

function partName(network, p) {
  const title = partTitle(network, p.group);
  const named = network.groups.names[p.group] || network.groups.keys[p.group];
  if (!named) return title + (p.category ? ` (${p.category})` : "");
  const of = network.groups.names[p.group] && p.category ? ` of ${p.category}` : "";
  return `${title}${of}`;
}

function effectLine(marker, text, value, about = "") {
  return element(
    "span",
    { className: "line" },
    marker || element("span", { className: "number", textContent: "", hidden: true }),
    element("span", { textContent: text }, about ? element("small", { textContent: ` ${about}` }) : ""),
    element("span", { className: "value", textContent: value })
  );
}

function decisionView(network, i) {
  const d = decision(network, i);
  const side = 480;
  const isRight = d.predicted === content.labels[i];
  const sure = d.probability === null ? "" : ` (${percent(d.probability)})`;
  const largest = Math.max(...d.parts.map((p) => Math.abs(p.effect)), 1e-12);
  const digits = digitsFor(largest);
  const added = (value) => signed(value, digits);
  const label = d.parts.slice(0, MARKED).map((p, k) => `${k + 1}: ${partName(network, p)}, ${where(p.x, p.y)}, ${added(p.effect)}`);
  const follows = (p) => network.groups.follows[p.group];
  const leads = d.parts.slice(0, MARKED).some((p) => followedPlace(network, p, i));
  const items = d.parts.map((p, place) => {
    const against = p.effect <= 0;
    const mark = element("span", { className: `number${against ? " against" : ""}`, textContent: place < MARKED ? String(place + 1) : "·" });
    const bar = element("progress", { max: 1, value: Math.abs(p.effect) / largest, className: against ? "against" : "" , "aria-hidden": "true" });
    const about = follows(p) && network.groups.keys[p.group] ? `moves with the ${follows(p)}` : "";
    const button = element("button", { type: "button" }, effectLine(mark, partName(network, p), added(p.effect), about), bar);
    button.setAttribute("aria-label", `${partName(network, p)}: ${added(p.effect)}, speaks ${against ? "against" : "for"} ${className(d.predicted)}. Show filter ${p.lead}.`);
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
      canvas(side, side * aspect, `The image, with the parts that decided. ${label.join("; ")}`, (context) => drawDecision(context, side, network, i))
    ),
    element("p", {
      className: "hint",
      textContent: `Numbers: where the ${Math.min(d.parts.length, MARKED)} parts that count most fire.${leads ? " Lines lead to the annotated part that they move with, as far away as on average." : ""}`,
    }),
    element("h4", { textContent: "What decided" }),
    element("p", { className: "hint", textContent: `What each part adds to the score for “${className(d.predicted)}”: green for it, orange against it. Choose one to see its filter.` }),
    element("ol", { className: "effects" }, ...items),
    element("h4", { textContent: "Where all its filters fire" }),
    element(
      "div",
      { className: "decision" },
      canvas(side, side * aspect, "The image, darkened, with a spot at the peak of every filter that fires; larger spots where many fire.", (context) => drawAll(context, side, network, i))
    )
  );
  return made;
}

function imageView({ i }) {
  const trained = trainedOn(i);
  return [
    `The decision on this ${className(content.labels[i])}`,
    element("p", { className: "hint", textContent: content.files[i] }),
    ...warningsOf(i).map((text) => element("p", { className: "warning", textContent: text })),
    trained.length ? element("p", { className: "note", textContent: `${trained.join(" and ")} saw this image in training.` }) : "",
    element("div", { className: networks.length > 1 ? "columns" : "columns one" }, ...networks.map((network) => decisionView(network, i))),
  ].filter((child) => child !== "");
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
    history.replaceState(null, "", location.href.split("#")[0]);
  });
  dialog.addEventListener("keydown", (event) => {
    if (event.altKey || event.ctrlKey || event.metaKey || event.target.matches("input, select")) return;
    const button = { ArrowLeft: "previous", ArrowRight: "next" }[event.key];
    if (!button || byId(button).disabled) return;
    event.preventDefault();
    step(button === "next" ? 1 : -1);
  });
  window.addEventListener("hashchange", openAddress);
  // A press on the backdrop closes; one that began inside does not.
  dialog.addEventListener("mousedown", (event) => {
    const box = dialog.getBoundingClientRect();
    const inside = event.clientX >= box.left && event.clientX <= box.right && event.clientY >= box.top && event.clientY <= box.bottom;
    if (event.target === dialog && !inside) dialog.close();
  });
}
