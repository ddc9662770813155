// The heart of every page: `tick` each 1.6 s, `tock` each 3.2 s and `tack` each 32 s, only while somebody looks:
// together less than a request a second.
// A part of the page that listens carries `data-live`; it is swapped only when it differs and nobody is at it.
(() => {
  const body = document.body;
  const offline = document.getElementById("offline");
  const signedOut = document.getElementById("signed-out");
  let beats = 0;

  const shown = (strip) => strip.matches(":popover-open");
  const busy = () => document.querySelector("dialog[open]") && !shown(offline);
  const resting = () => document.hidden || busy() || shown(signedOut);
  const beat = () => {
    if (resting()) return;
    htmx.trigger(body, "tick");
    if (beats % 2 === 0) htmx.trigger(body, "tock");
    if (beats % 20 === 19) htmx.trigger(body, "tack");
    beats += 1;
  };
  setInterval(beat, 1600);
  document.addEventListener("visibilitychange", beat);

  // Somebody has a menu or a table of it open, has just copied from it, or is marking its text. The value of a key
  // that they look at stays while the heart beats, and goes when a right does
  const isBeat = (event) => /^t[ioa]ck$/.test(event?.type);
  const inUse = (part, event) => {
    const selection = document.getSelection();
    const marking = selection && !selection.isCollapsed && selection.containsNode(part, true);
    return marking || part.querySelector(":popover-open, [data-copied], .numbers[open]")
      || (isBeat(event) && part.querySelector("[data-revealed]"));
  };

  // What a person unfolded is no difference, nor is a token that reads differently each time
  const bare = (html) => {
    const parsed = document.createElement("template");
    parsed.innerHTML = html;
    for (const each of parsed.content.querySelectorAll("details[id]")) each.removeAttribute("open");
    for (const each of parsed.content.querySelectorAll("[name=csrfmiddlewaretoken]")) each.removeAttribute("value");
    return parsed.innerHTML.trim();
  };
  const same = (part, html) => bare(part.innerHTML) === bare(html);

  // What is unfolded stays so in the new part, and the focus on what is the same in it
  const keep = (part) => {
    const open = [...part.querySelectorAll("details[id][open]")].map(({ id }) => id);
    const focused = part.contains(document.activeElement) ? document.activeElement : null;
    const alike = () => [...part.querySelectorAll(focused.localName)].filter((each) => each.isEqualNode(focused));
    const place = focused ? alike().indexOf(focused) : -1;
    return () => {
      for (const id of open) document.getElementById(id)?.setAttribute("open", "");
      if (!focused || focused.isConnected || document.activeElement !== body) return;
      const there = alike();
      (there[place] ?? there.at(-1))?.focus({ preventScroll: true });
    };
  };
  const kept = new WeakMap();

  body.addEventListener("htmx:beforeRequest", (event) => {
    if (event.detail.elt.matches("[data-gone]")) event.preventDefault();
  });
  body.addEventListener("htmx:beforeSwap", (event) => {
    const { target, xhr, requestConfig, serverResponse } = event.detail;
    if (!target.matches("[data-live]") || xhr.status >= 400) return;
    if (inUse(target, requestConfig?.triggeringEvent) || same(target, serverResponse)) event.detail.shouldSwap = false;
    else kept.set(target, keep(target));
  });
  body.addEventListener("htmx:afterSwap", ({ detail }) => {
    kept.get(detail.target)?.();
    kept.delete(detail.target);
  });

  // The connection. A request that a newer one replaced has failed nobody; what was sent by hand may be lost
  const say = (strip, on) => { if (on !== shown(strip)) raise(strip, on); };
  const unsure = ({ elt, requestConfig }) => {
    if (requestConfig?.verb !== "post" || !elt.matches("form, a")) return;
    htmx.trigger(body, "notice", { text: offline.dataset.unsure, kind: "unsure" });
  };
  for (const failure of ["htmx:sendError", "htmx:timeout"]) {
    body.addEventListener(failure, ({ detail }) => {
      say(offline, true);
      unsure(detail);
    });
  }
  body.addEventListener("htmx:afterRequest", (event) => {
    const status = event.detail.xhr.status;
    if (status) say(offline, status >= 500);
    if (status >= 500) unsure(event.detail);
    if (status === 404 && event.detail.elt.matches("[data-live]")) event.detail.elt.dataset.gone = "";
  });

  // The sign-in. With a dialog open it happens in another tab: what is typed here stays, and is good again after
  const away = signedOut.querySelector("a");
  body.addEventListener("signed-out", () => {
    away.target = document.querySelector("dialog[open]") ? "_blank" : "";
    say(signedOut, true);
  });
  const isBack = async () => {
    if (document.hidden || !shown(signedOut)) return;
    const answer = await fetch(location.href, { method: "HEAD", headers: { "HX-Request": "true" } });
    if (!answer.ok) return;
    say(signedOut, false);
    htmx.trigger(body, "notice", { text: signedOut.dataset.again, kind: "done" });
  };
  for (const moment of ["visibilitychange", "focus"]) window.addEventListener(moment, isBack, true);

  // Whoever signs in anew gets a new token; the ones that stand in the page are of no use any more
  const token = () => document.cookie.match(/(?:^|; )(?:__Host-)?csrftoken=([^;]+)/)?.[1];
  body.addEventListener("htmx:configRequest", (event) => {
    const { headers, parameters, triggeringEvent } = event.detail;
    if (/^(t[ioa]ck|standing)$/.test(triggeringEvent?.type)) headers["Unattended"] = "true"; // nobody did anything: the session may idle
    if (!token()) return;
    headers["X-CSRFToken"] = token();
    if (parameters.csrfmiddlewaretoken) parameters.csrfmiddlewaretoken = token();
  });
  document.addEventListener("submit", (event) => {
    const field = event.target.elements?.csrfmiddlewaretoken;
    if (field && token()) field.value = token();
  }, true);
})();
