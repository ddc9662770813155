// Menus open and close without us. With it: the first entry gets the focus, arrows walk, a choice closes.
(() => {
  const entries = (menu) => [...menu.querySelectorAll("a, button")];

  document.addEventListener("toggle", (event) => {
    const menu = event.target;
    if (event.newState !== "open" || !menu.matches(".menu")) return;
    if (!menu.contains(document.activeElement)) entries(menu)[0]?.focus();
    htmx.trigger(menu, "shown"); // what stands in it may be asked for only now
  }, true);

  // From the menu's button too: whoever opens it and goes on at once may be faster than the focus
  document.addEventListener("keydown", (event) => {
    const button = event.target.closest?.("[popovertarget]");
    const menu = event.target.closest?.(".menu") || (button && document.getElementById(button.getAttribute("popovertarget")));
    const step = { ArrowDown: 1, ArrowUp: -1, Home: -Infinity, End: Infinity }[event.key];
    if (!menu?.matches(".menu:popover-open") || !step) return;
    event.preventDefault();
    const all = entries(menu);
    if (!all.length) return;
    const at = Math.max(all.indexOf(document.activeElement), 0) + step;
    all[Number.isFinite(at) ? (at + all.length) % all.length : at < 0 ? 0 : all.length - 1].focus();
  });

  document.addEventListener("click", (event) => {
    event.target.closest(".menu a, .menu button")?.closest(".menu").hidePopover();
  });
})();
