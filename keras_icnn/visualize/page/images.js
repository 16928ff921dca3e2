// --- images --------------------------------------------------------------------------------

let imageLimit = IMAGES;

const right = (network, number) => decision(network, number).predicted === content.labels[number];

function chosenImages() {
  const words = byId("image-search").value.toLowerCase().split(/\s+/).filter(Boolean);
  const [what, which] = byId("image-show").value.split(":");
  const found = content.labels.map((_, i) => i).filter((i) => {
    const text = `${className(content.labels[i])} ${content.files[i]}`.toLowerCase();
    if (!words.every((word) => text.includes(word))) return false;
    if (what === "class") return content.labels[i] === Number(which);
    if (what === "wrong") return !right(networks[Number(which)], i);
    if (what === "differ") return decision(networks[0], i).predicted !== decision(networks[1], i).predicted;
    if (what === "warning") return warningsOf(i).length > 0;
    return true;
  });
  // Explanations that are not to be trusted without a second look come first.
  return found.sort((a, b) => (warningsOf(b).length > 0) - (warningsOf(a).length > 0) || a - b);
}

// What the explanations of an image warn of.
function warningsOf(i) {
  return networks.flatMap((network) =>
    (decision(network, i).warnings || []).map((text) => (networks.length > 1 ? `${network.name}: ${text}` : text))
  );
}

// The networks that were trained on an image.
const trainedOn = (i) => networks.filter((network) => network.trained.has(i)).map((network) => network.name);

function verdict(network, i) {
  const { predicted } = decision(network, i);
  return `${network.name} says ${className(predicted)}`;
}

function imageCard(i, order) {
  const wrong = networks.filter((network) => !right(network, i)).map((network) => verdict(network, i));
  const warnings = warningsOf(i);
  const trained = trainedOn(i);
  const card = element(
    "button",
    { type: "button", className: "picture" },
    element("img", { src: source(i), alt: "", loading: "lazy", width: content.size.width, height: content.size.height }),
    element("span", { textContent: `${className(content.labels[i])}` }),
    ...wrong.map((text) => element("span", { className: "wrong", textContent: text })),
    ...warnings.map((text) => element("span", { className: "warning", textContent: text })),
    trained.length ? element("span", { className: "trained", textContent: "trained on" }) : ""
  );
  card.dataset.image = i;
  card.setAttribute("aria-label", [`${className(content.labels[i])}, ${content.files[i]}`, ...wrong, ...warnings, trained.length ? `${trained.join(" and ")} trained on it` : ""].filter(Boolean).join("; "));
  card.addEventListener("click", () => show({ kind: "image", i, order }));
  return card;
}

function listImages() {
  const chosen = chosenImages();
  byId("image-grid").replaceChildren(...chosen.slice(0, imageLimit).map((i) => imageCard(i, chosen)));
  byId("image-count").textContent = `${plural(chosen.length, "image", "images")} of ${content.labels.length}.`;
  byId("more-images").hidden = chosen.length <= imageLimit;
}

function prepareImages() {
  const present = content.classes.map((name, label) => [label, name]).filter(([label]) => content.labels.includes(label));
  options(byId("image-show"), [
    ["all", "all"],
    ...present.map(([label, name]) => [`class:${label}`, `class ${name}`]),
    ...networks.map((network) => [`wrong:${network.number}`, `${network.name} is wrong`]),
    ...(content.labels.some((_, i) => warningsOf(i).length) ? [["warning", "with a warning"]] : []),
    ...(networks.length > 1 ? [["differ", "the networks disagree"]] : []),
  ]);
  for (const id of ["image-search", "image-show"]) {
    byId(id).addEventListener("input", () => {
      imageLimit = IMAGES;
      listImages();
    });
  }
  byId("image-controls").addEventListener("submit", (event) => event.preventDefault());
  byId("more-images").addEventListener("click", () => {
    const first = imageLimit;
    imageLimit += IMAGES;
    listImages();
    byId("image-grid").children[first].focus();
  });
  listImages();
}
