// The panel that opens from a button in the table and says in full what the cell has no room for; Escape closes it.
const Panel = (() => {
  const panel = document.createElement("div");
  let from = null, before = null;
  panel.id = "panel";
  panel.popover = "auto";
  panel.setAttribute("role", "dialog");
  panel.setAttribute("aria-labelledby", "panel-title");
  document.body.append(panel);
  panel.addEventListener("beforetoggle", (event) => {
    if (event.newState === "open") return;
    from?.setAttribute("aria-expanded", "false");
    from = null;
  });
  // a press outside closes the panel before its click arrives, which on the same button would open it again
  addEventListener("pointerdown", () => { before = from; }, true);
  const part = (tag, text) => {
    const element = document.createElement(tag);
    element.textContent = text;
    return element;
  };
  const fill = (title, entries) => {
    const head = part("h3", title), list = document.createElement("dl"), close = part("button", "×");
    head.id = "panel-title";
    list.className = "folded";
    for (const [term, said] of entries) list.append(part("dt", term), part("dd", said));
    close.type = "button";
    close.setAttribute("aria-label", "close");
    close.addEventListener("click", () => panel.hidePopover());
    panel.replaceChildren(head, close, list);
    return close;
  };
  // below the button, or above it where the window ends
  const place = (at) => {
    const { width, height } = panel.getBoundingClientRect(), left = Math.min(at.left, document.documentElement.clientWidth - width - 8);
    const top = at.bottom + 6 + height < innerHeight ? at.bottom + 6 : Math.max(at.top - height - 6, 8);
    panel.style.left = `${Math.max(left, 8) + scrollX}px`;
    panel.style.top = `${top + scrollY}px`;
  };
  return {
    toggle(button, title, entries, byPointer) {
      const again = (byPointer ? before : from) === button;
      before = null;
      panel.hidePopover();
      if (again) return;
      const close = fill(title, entries);
      panel.showPopover();
      place(button.getBoundingClientRect());
      close.focus({ preventScroll: true });
      button.setAttribute("aria-expanded", "true");
      from = button;
    },
  };
})();
