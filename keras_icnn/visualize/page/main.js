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

// --- start -------------------------------------------------------------------------------------

prepareTheme();
prepareDialog();
prepareNames();
prepareEffects();
prepareFilters();
prepareImages();
glance();
openAddress();
document.documentElement.dataset.ready = "";
