// One native <dialog>: what htmx puts into it opens it; the browser traps the focus and closes on Escape.
(() => {
  const body = document.body;
  const dialog = document.getElementById("dialog");
  let opener = null;

  // What stood in a menu is hidden again by now: the menu's button is where the person came from
  const origin = (element) => {
    const menu = element.closest("[popover]");
    return menu ? document.querySelector(`[popovertarget="${menu.id}"]`) : element;
  };

  body.addEventListener("htmx:beforeRequest", (event) => {
    if (event.detail.target === dialog && !dialog.open) opener = origin(event.detail.elt);
  });
  // Settled, not only swapped: from here on its fields and forms are htmx's
  body.addEventListener("htmx:afterSettle", (event) => {
    if (event.detail.target !== dialog || dialog.open) return;
    document.querySelectorAll(":popover-open").forEach((menu) => menu.hidePopover());
    dialog.showModal();
  });
  // A window in front of another: Escape leads back to that one
  dialog.addEventListener("cancel", (event) => {
    const back = dialog.querySelector("[data-back]");
    if (!back) return;
    event.preventDefault();
    back.click();
  });
  body.addEventListener("dialog-done", () => dialog.close());
  dialog.addEventListener("click", (event) => {
    if (!event.target.closest("[data-close]")) return;
    event.preventDefault();
    dialog.close();
  });
  dialog.addEventListener("close", () => {
    dialog.replaceChildren();
    const now = opener && (opener.isConnected ? opener : document.getElementById(opener.id));
    (now || document.getElementById("page")).focus();
  });
})();
