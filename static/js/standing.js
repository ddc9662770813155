// While a page is looked at, the server says when what somebody may see or do has changed: it looks anew at once.
// Where there is no stream, all is as the ticks find it. A stream is no hand of a person: the session may idle.
(() => {
  const { body } = document;
  const [dialog, signedOut, changed] = ["dialog", "signed-out", "changed"].map((id) => document.getElementById(id));
  const quiet = { "HX-Request": "true", Unattended: "true" };
  const whole = { ...quiet, "HX-History-Restore-Request": "true" };
  const soon = 1000, later = 15_000; // at least, at most twice that: not everybody comes back at one moment
  const shown = (strip) => strip.matches(":popover-open");
  const say = (strip, on) => { if (on !== shown(strip)) raise(strip, on); };

  // What a page offers: a right that is lost or gained shows in it. Live parts look after themselves
  const told = ["href", "action", "formaction", "hx-get", "hx-post", "value", "disabled"];
  const offers = (part) => [...part.querySelectorAll("a, button, form, [hx-get], [hx-post]")]
    .filter((each) => !each.closest("[data-live]"))
    .map((each) => told.map((name) => each.getAttribute(name)).join(" ")).sort().join("\n");

  // Somebody has typed or may be about to, has something open or marked: then the page says it, and stays as it is
  const isTyped = (field) => {
    if (field.matches("select")) {
      const chosen = [...field.options].findLastIndex((option) => option.defaultSelected);
      return field.selectedIndex !== Math.max(chosen, 0);
    }
    return field.value !== field.defaultValue || field.checked !== field.defaultChecked;
  };
  const fields = "input:not([type=hidden]), textarea, select";
  const inUse = (part) => {
    const selection = document.getSelection();
    const marking = !selection.isCollapsed && selection.containsNode(part, true);
    return dialog.open || marking || part.querySelector(`:popover-open, [data-copied], form[method=post] :is(${fields})`)
      || [...part.querySelectorAll(fields)].some((field) => field === document.activeElement || isTyped(field));
  };
  const swap = (part, fresh) => {
    const focus = part.contains(document.activeElement) ? document.activeElement.id : "";
    part.replaceChildren(...fresh.childNodes);
    htmx.process(part);
    if (focus) document.getElementById(focus)?.focus();
  };

  const compare = (fresh) => {
    const parts = ["page", "side", "tenants"].map((id) => [document.getElementById(id), fresh.getElementById(id)]);
    const other = parts.filter(([now, then]) => now && then && offers(now) !== offers(then));
    const busy = other.some(([now]) => inUse(now));
    if (!busy) other.forEach(([now, then]) => swap(now, then));
    say(changed, busy);
  };

  let asked = 0;
  const anew = async () => {
    const mine = ++asked;
    if (shown(signedOut)) return;
    const here = new URL(location.href);
    here.searchParams.delete("reveal"); // nobody asks for the value of a key once more
    const asking = fetch(here, { headers: whole });
    if (!dialog.open) for (const beat of ["tick", "tock", "tack", "standing"]) htmx.trigger(body, beat);
    const answer = await asking;
    if (answer.status === 401) htmx.trigger(body, "signed-out");
    if (answer.status === 401 || answer.status >= 500) return;
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    if (mine !== asked) return; // it was asked once more meanwhile
    if (answer.redirected) say(changed, true);
    else if (answer.ok) compare(fresh);
    else htmx.trigger(body, "notice", { text: fresh.querySelector(".refusal p, .doorway h1").textContent, kind: "refused" });
  };
  const look = () => anew().catch(() => {}); // not reached: the ticks find that out, and say it

  const heard = (frame) => {
    const spread = frame.match(/^event: look\ndata: (\d+)$/)?.[1];
    if (spread) setTimeout(look, Math.random() * spread);
  };

  // The stream. How long to wait for the next one, 0 where there is none for this page
  let stream = null, waiting = 0, missed = false;
  const hear = async (signal) => {
    const answer = await fetch(body.dataset.standing, { signal, headers: { ...quiet, "HX-Current-URL": location.href } });
    if (answer.status === 204) return 0;
    if (answer.status === 401) htmx.trigger(body, "signed-out");
    if (!answer.headers.get("Content-Type")?.startsWith("text/event-stream")) return later;
    if (missed) look();
    missed = false;
    const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    for (let text = "";;) {
      const { value, done } = await reader.read();
      if (done) return soon;
      const frames = (text + value).split("\n\n");
      text = frames.pop();
      frames.forEach(heard);
    }
  };
  const listen = async () => {
    if (stream || document.hidden) return;
    const mine = stream = new AbortController();
    const wait = shown(signedOut) ? later : await hear(mine.signal).catch(() => later);
    if (stream !== mine) return; // nobody looks any more
    stream = null;
    missed ||= wait === later;
    if (wait) waiting = setTimeout(listen, wait * (1 + Math.random()));
  };

  if (!body.dataset.standing) return;
  document.addEventListener("visibilitychange", () => {
    clearTimeout(waiting);
    stream?.abort();
    stream = null;
    if (document.hidden) return;
    look();
    listen();
  });
  dialog.addEventListener("close", () => { if (shown(changed)) look(); });
  listen();
})();
