// `data-copy` holds what to copy; `data-copy-from` the address that gives it to whoever may have it.
(() => {
  const aloud = document.getElementById("aloud");

  const fetched = async (address) => {
    const answer = await fetch(address, { headers: { "HX-Request": "true", Accept: "text/plain" } });
    if (answer.status === 401) htmx.trigger(document.body, "signed-out");
    if (!answer.ok || answer.redirected) throw new Error(`${answer.status}`);
    return (await answer.text()).trim();
  };

  // Where the page came by plain HTTP from another machine, browsers keep the clipboard back
  const copyOldWay = (text) => {
    const field = document.createElement("textarea");
    field.value = text;
    field.className = "aloud";
    (document.querySelector("dialog[open]") || document.body).append(field);
    field.select();
    const worked = document.execCommand("copy");
    field.remove();
    if (!worked) throw new Error("refused");
  };

  const copy = async (text) => {
    if (!navigator.clipboard) return copyOldWay(await text);
    const blob = Promise.resolve(text).then((plain) => new Blob([plain], { type: "text/plain" }));
    return navigator.clipboard.write([new ClipboardItem({ "text/plain": blob })]);
  };

  document.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-copy], [data-copy-from]");
    if (!button) return;
    try {
      await copy(button.dataset.copy ?? fetched(button.dataset.copyFrom));
    } catch {
      htmx.trigger(document.body, "notice", { text: aloud.dataset.uncopied, kind: "refused" });
      return;
    }
    button.dataset.copied = "";
    aloud.textContent = button.querySelector(".said").textContent;
    setTimeout(() => { delete button.dataset.copied; aloud.textContent = ""; }, 1500);
  });
})();
