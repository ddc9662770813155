// Menus open and close without us. With it: the first entry gets the focus, arrows walk, a choice closes.
(() => {
  const entries = (menu) => [...menu.querySelectorAll("a, button")];

  document.addEventListener("toggle", (event) => {
    const menu = event.target;
    if (event.newState === "open" && menu.matches(".menu")) entries(menu)[0]?.focus();
  }, true);

  document.addEventListener("keydown", (event) => {
    const menu = event.target.closest?.(".menu:popover-open");
    const step = { ArrowDown: 1, ArrowUp: -1, Home: -Infinity, End: Infinity }[event.key];
    if (!menu || !step) return;
    event.preventDefault();
    const all = entries(menu);
    const at = all.indexOf(document.activeElement) + step;
    all[Number.isFinite(at) ? (at + all.length) % all.length : at < 0 ? 0 : all.length - 1].focus();
  });

  document.addEventListener("click", (event) => {
    event.target.closest(".menu a, .menu button")?.closest(".menu").hidePopover();
  });
})();
