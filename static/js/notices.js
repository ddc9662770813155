// Said in passing: the server sends the sentence with its answer, the page shows it and reads it out.
(() => {
  const shelf = document.getElementById("notices");
  const shape = document.getElementById("notice");
  const leave = (notice) => setTimeout(() => notice.matches(":hover, :focus-within") ? leave(notice) : notice.remove(), 7000);

  document.body.addEventListener("notice", (event) => {
    const { text, kind } = event.detail;
    const notice = shape.content.firstElementChild.cloneNode(true);
    notice.dataset.kind = kind;
    notice.querySelector("p").textContent = text;
    [...shelf.children].find((old) => old.textContent.trim() === text)?.remove();
    shelf.append(notice);
    raise(shelf); // above whatever was opened last
    if (kind === "done") leave(notice); // what is to be done about the others may take longer
  });

  shelf.addEventListener("click", (event) => {
    if (event.target.closest("[data-dismiss]")) event.target.closest(".notice").remove();
  });
  [...shelf.children].forEach(leave);
})();
