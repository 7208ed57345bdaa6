// Light or dark: the reader's choice, else the system's. Set before anything is drawn.
(() => {
  const root = document.documentElement;
  const system = matchMedia("(prefers-color-scheme: dark)");
  let chosen = null;
  try { chosen = localStorage.getItem("theme"); } catch { /* storage may be shut to pages on disk */ }
  const dark = () => (chosen ? chosen === "dark" : system.matches);
  const show = () => {
    root.dataset.theme = dark() ? "dark" : "light";
    const button = document.getElementById("theme");
    if (button) {
      button.hidden = false;
      button.querySelector("span").textContent = dark() ? "light" : "dark";
    }
  };
  show();
  system.addEventListener("change", show);
  document.addEventListener("DOMContentLoaded", () => {
    show();
    document.getElementById("theme").addEventListener("click", () => {
      chosen = dark() ? "light" : "dark";
      try { localStorage.setItem("theme", chosen); } catch { /* lasts for this page */ }
      show();
    });
  });
})();
