// What a person has changed since a request went out is newer than its answer: such a part of a form stays as it is.
// The request that the change itself asks for brings the part up to date.
(() => {
  const sent = new WeakMap();
  const typed = "select[name], textarea[name], input[name]:not([type=checkbox], [type=radio])";

  document.body.addEventListener("htmx:configRequest", ({ target, detail }) => {
    const form = target.closest("form");
    if (form) sent.set(form, detail.formData);
  });

  document.body.addEventListener("htmx:oobBeforeSwap", ({ target, detail }) => {
    const known = sent.get(target.closest("form"));
    if (!known) return;
    const fields = [...target.querySelectorAll(typed)].filter(({ name }) => known.has(name));
    if (fields.some(({ name, value }) => value !== known.get(name))) detail.shouldSwap = false;
  });
})();
