// --- what a category rests on ------------------------------------------------------------------

function effectRow(network, row, largest) {
  const digits = digitsFor(largest);
  const against = row.mean <= 0;
  const bar = element("progress", { max: 1, value: Math.abs(row.mean) / largest, className: against ? "against" : "", "aria-hidden": "true" });
  const members = network.members(row.group);
  const open = titleElement("button", network, row.group, { type: "button", className: "plain-button" });
  open.addEventListener("click", () => show({ kind: "filter", network: network.number, f: bestOf(network, members), order: members }));
  const cell = (text, className = "") => element("td", { textContent: text, className });
  const follows = network.groups.follows[row.group];
  return element(
    "tr",
    {},
    element("th", { scope: "row" }, open, follows && follows !== partTitle(network, row.group) ? element("small", { textContent: `moves with the ${follows}` }) : ""),
    element("td", { className: "effect" }, `${signed(row.mean, digits)} ± ${number(row.spread, digits)}`, bar),
    cell(percent(row.accuracy_without), row.accuracy_without < row.accuracy - 0.02 ? "lost" : ""),
    ...(row.others === null ? [] : [cell(percent(row.others_without), row.others_without < row.others - 0.02 ? "lost" : "")])
  );
}

const bestOf = (network, members) => [...members].sort((a, b) => score(network, b) - score(network, a) || a - b)[0];

function effectTable(network, category, rows) {
  const largest = Math.max(...rows.map((row) => Math.abs(row.mean)), 1e-12);
  const { images, accuracy, others } = rows[0];
  const heading = (text, small) => element("th", { scope: "col" }, text, small ? element("small", { textContent: small }) : "");
  const table = element(
    "table",
    { className: "effects-table" },
    element(
      "thead",
      {},
      element("tr", {}, heading("Part"), heading("Adds to the score", "mean ± spread over the images"), heading(`“${category}” right`, "without the part"), ...(others === null ? [] : [heading("Others right", "without the part")]))
    ),
    element("tbody", {}, ...rows.map((row) => effectRow(network, row, largest)))
  );
  const label = `What ${category} rests on${networks.length > 1 ? `, ${network.name}` : ""}`;
  const made = details(
    `All parts of “${category}”, switched off in turn`,
    element("p", {
      className: "hint",
      textContent: `Measured on ${plural(images, "image", "images")} of “${category}”. With all parts, ${percent(accuracy)} of them are classified rightly${others === null ? "" : `, and ${percent(others)} of a sample of other images`}.`,
    }),
    element("div", { className: "scroll", role: "region", "aria-label": label, tabIndex: 0 }, table)
  );
  made.open = innerWidth > 832;
  return made;
}

// Where one of them does most, in a sentence.
function effectWords(category, rows, network) {
  const [first] = rows;
  const lost = first.accuracy - first.accuracy_without;
  const without =
    lost > 0.005
      ? `${percent(first.accuracy_without)} instead of ${percent(first.accuracy)} of its images are classified rightly`
      : "its images are classified as well as before: other parts stand in";
  return [
    `The score is the network's own number for “${category}”: where it is high, that is the answer. It rests most on `,
    titleElement("strong", network, first.group),
    `, which adds ${signed(first.mean, digitsFor(Math.abs(first.mean)))} on average. Without it, ${without}.`,
  ];
}

function listEffects() {
  const category = byId("category").value;
  const shown = networks.map((network) => [network, network.effects.filter((row) => row.category === category)]).filter(([, rows]) => rows.length);
  byId("effects").hidden = !shown.length;
  byId("effects-title").textContent = `What “${category}” rests on`;
  byId("effects-body").replaceChildren(
    ...shown.flatMap(([network, rows]) => [element("p", {}, ...effectWords(category, rows, network)), effectTable(network, category, rows)])
  );
}

function prepareEffects() {
  byId("effects").hidden = true;
}
