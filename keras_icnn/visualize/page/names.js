// --- names of parts ----------------------------------------------------------------------------

const LONGEST_NAME = 100;
let unsaved = false;

// A text that shows what a group is called, and goes on doing so when it is named anew.
function titleElement(tag, network, group, properties = {}) {
  const made = element(tag, { ...properties, textContent: partTitle(network, group) });
  made.dataset.titleOf = `${network.number}:${group}`;
  return made;
}

// The key of a part beside its name; without a name it is the title already.
function keyElement(network, group) {
  const made = element("span", { className: "key", textContent: network.groups.names[group] ? network.groups.keys[group] : "" });
  made.dataset.keyOf = `${network.number}:${group}`;
  return made;
}

function nameField(network, group) {
  const field = element("input", {
    type: "text",
    value: network.groups.names[group],
    maxLength: LONGEST_NAME,
    placeholder: "such as head",
    autocomplete: "off",
  });
  field.addEventListener("input", () => rename(network, group, field.value.trim(), field));
  return element("label", { className: "name" }, `Name of ${network.groups.keys[group]} `, field);
}

function rename(network, group, name, field) {
  network.groups.names[group] = name;
  unsaved = true;
  const title = `${network.number}:${group}`;
  for (const shown of document.querySelectorAll("[data-title-of]")) {
    if (shown.dataset.titleOf === title) shown.textContent = partTitle(network, group);
  }
  for (const shown of document.querySelectorAll("[data-key-of]")) {
    if (shown.dataset.keyOf === title) shown.textContent = name ? network.groups.keys[group] : "";
  }
  for (const other of document.querySelectorAll("label.name input")) {
    if (other !== field && other.dataset.nameOf === title) other.value = name;
  }
  tellNames(network);
}

function namesOf(network) {
  const { names, own } = network.groups;
  const found = {};
  own.forEach((key, group) => {
    // An empty name takes away the one that the model has.
    if (key && (names[group] || network.namedBefore[group])) found[key] = names[group];
  });
  return found;
}

function tellNames(network) {
  const named = network.groups.names.filter(Boolean).length;
  const parts = network.groups.keys.filter(Boolean).length;
  byId(`names-${network.number}`).textContent = `${named} of ${parts} parts have a name.`;
}

function saveNames(network) {
  const text = `${JSON.stringify(namesOf(network), null, 2)}\n`;
  const link = element("a", { href: URL.createObjectURL(new Blob([text], { type: "application/json" })) });
  link.download = networks.filter((n) => n.hasParts).length > 1 ? `names-${network.name}.json` : "names.json";
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
  unsaved = false;
}

function prepareNames() {
  const own = networks.filter((network) => network.hasParts);
  for (const network of own) {
    network.namedBefore = network.groups.names.map(Boolean);
    const of = own.length > 1 ? ` of ${network.name}` : "";
    const button = element("button", { type: "button", textContent: `Save names${of}` });
    button.addEventListener("click", () => saveNames(network));
    byId("naming").append(
      element("p", { className: "controls" }, button, element("span", { id: `names-${network.number}`, className: "hint", role: "status" }))
    );
    tellNames(network);
  }
  byId("naming").hidden = !own.length;
  window.addEventListener("beforeunload", (event) => {
    if (unsaved) event.preventDefault();
  });
}
