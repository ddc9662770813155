// The heart of every page: `tick` each 1.5 s and `tock` each 3 s, only while somebody looks.
// A part of the page that listens carries `data-live`; it is swapped only when it differs and nobody is at it.
(() => {
  const body = document.body;
  const offline = document.getElementById("offline");
  const signedOut = document.getElementById("signed-out");
  let beats = 0;

  const shown = (strip) => strip.matches(":popover-open");
  const resting = () => document.hidden || document.querySelector("dialog[open]") || shown(signedOut);
  const beat = () => {
    if (resting()) return;
    htmx.trigger(body, "tick");
    if (beats++ % 2 === 0) htmx.trigger(body, "tock");
  };
  setInterval(beat, 1500);
  document.addEventListener("visibilitychange", beat);

  // Somebody has a menu or a table of it open, has just copied from it, or is marking its text
  const inUse = (part) => {
    const selection = document.getSelection();
    const marking = selection && !selection.isCollapsed && selection.containsNode(part, true);
    return marking || part.querySelector(":popover-open, [data-copied], .numbers[open]");
  };
  const same = (part, html) => {
    const parsed = document.createElement("template");
    parsed.innerHTML = html;
    return parsed.innerHTML.trim() === part.innerHTML.trim();
  };

  body.addEventListener("htmx:beforeRequest", (event) => {
    if (event.detail.elt.matches("[data-gone]")) event.preventDefault();
  });
  body.addEventListener("htmx:beforeSwap", (event) => {
    const { target, xhr } = event.detail;
    if (!target.matches("[data-live]") || xhr.status >= 400) return;
    if (inUse(target) || same(target, event.detail.serverResponse)) event.detail.shouldSwap = false;
  });

  // The connection, and the sign-in. A request that a newer one replaced has failed nobody
  for (const failure of ["htmx:sendError", "htmx:timeout"]) {
    body.addEventListener(failure, () => { offline.togglePopover(true); });
  }
  body.addEventListener("htmx:afterRequest", (event) => {
    const status = event.detail.xhr.status;
    if (status) offline.togglePopover(status >= 500);
    if (status === 404 && event.detail.elt.matches("[data-live]")) event.detail.elt.dataset.gone = "";
  });
  body.addEventListener("signed-out", () => { signedOut.togglePopover(true); });
})();
