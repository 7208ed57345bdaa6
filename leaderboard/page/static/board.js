// The board: Tabulator draws, sorts and scrolls; this file says which columns and rows, filters, and keeps the address.
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const $ = (id) => document.getElementById(id);
  const tabs = [...document.querySelectorAll("[data-tab]")];
  const state = { tab: "0", sort: null, at: "" };
  const narrow = innerWidth < 700;
  const firstScore = data.columns.find((c) => c.kind === "score");
  const cells = makeCells(data, { narrow, firstScore, everywhere: () => state.tab === "all" });
  const { make } = cells;

  // a row's cells come as lists and stay so, to keep the page small and quick to open
  const seedText = (raw) => `seed ${raw[1]}${raw[6] || raw[3] ? "" : ", retrieval only"}`;
  for (const row of data.rows.filter((r) => r.cells)) {
    row._children = row.cells.map((raw) => ({ e: seedText(raw), h: `${row.h}#${raw[0]}`, min: raw[2], p: row.p, err: raw[3], raw }));
  }

  // ---- columns
  const head = (column) => () => {
    const box = make("span", "", column.title);
    box.title = column.note;
    if (column.higher === false) box.append(" ↓");
    return box;
  };
  const byText = (column) => (a, b, one, two) => cells.text(column, one.getData()).localeCompare(cells.text(column, two.getData()));
  const byMargin = (a, b, one, two, column, direction) => {
    const [left, right] = [a, b].map((found) => (Array.isArray(found) ? found[0] : direction === "asc" ? Infinity : -Infinity));
    return left - right || 0;
  };
  const numeric = ["score", "count", "number", "rank", "margin"];
  const widths = { score: { minWidth: 150 }, rank: { minWidth: 116, maxWidth: 220 }, margin: { minWidth: 140, maxWidth: 170, headerWordWrap: true }, name: { minWidth: 140, maxWidth: 280 } };
  // on a phone the encoder and one score stand side by side; a row unfolds into all else
  const fits = (column) => !narrow || column.kind === "name" || column === firstScore;
  const isShown = (column) => (column.shown || $("all-columns").checked) && (column.f !== "d" || state.tab === "all");
  const define = (column) => ({
    field: column.f, title: column.title, titleFormatter: head(column),
    formatter: (cell) => cells.element(column, cell.getData()),
    sorter: column.kind === "margin" ? byMargin : numeric.includes(column.kind) ? "number" : byText(column),
    sorterParams: { alignEmptyValues: "bottom" },
    headerSortStartingDir: numeric.includes(column.kind) && column.kind !== "rank" && column.higher !== false ? "desc" : "asc",
    headerSortTristate: false, visible: column.shown && column.f !== "d" && fits(column),
    frozen: column.kind === "name" && !narrow,
    hozAlign: column.kind === "count" || column.kind === "number" ? "right" : "left",
    ...(narrow ? { minWidth: 100 } : { minWidth: 70, ...widths[column.kind] }),
  });
  const unfolded = new Set(), rowOf = new WeakMap();
  const unfolder = (cell) => {
    const row = cell.getData(), button = make("button", "unfold", "");
    button.type = "button";
    button.setAttribute("aria-label", `all of ${row.e}`);
    button.setAttribute("aria-expanded", unfolded.has(row.h));
    rowOf.set(button, cell.getRow());
    return button;
  };
  const unfold = (row) => {
    const element = row.getElement(), one = row.getData();
    element.querySelector(".unfolded")?.remove();
    if (!unfolded.has(one.h)) return;
    const list = element.appendChild(make("dl", "folded unfolded"));
    for (const column of data.columns.filter((c) => isShown(c) && !fits(c))) {
      list.append(make("dt", "", column.title));
      list.appendChild(make("dd")).append(cells.element(column, one));
    }
  };
  const columns = data.columns.map(define);
  if (narrow) columns.unshift({ formatter: unfolder, width: 44, minWidth: 44, headerSort: false, resizable: false, cssClass: "unfolds" });

  // ---- the address: which data set, what is filtered, how sorted, and which section is looked at
  const place = () => {
    const text = location.hash.slice(1), plain = !text.includes("=");
    const address = new URLSearchParams(plain ? "" : text), target = $(plain ? text : address.get("at") ?? "");
    const named = address.get("data"), own = target?.closest("section.dataset")?.dataset.dataset;
    const tab = named === "all" ? "all" : named === null && own ? own : String(Math.max(data.datasets.indexOf(named), 0));
    return { address, tab, at: target ? target.id : "" };
  };
  const addressText = () => {
    const address = new URLSearchParams();
    if (state.tab !== "0") address.set("data", state.tab === "all" ? "all" : data.datasets[state.tab]);
    if (find.value) address.set("find", find.value);
    if ($("verdict").value) address.set("verdict", $("verdict").value);
    const hidden = boxes.filter((b) => !$(`show-${b}`).checked);
    if (hidden.length) address.set("hide", hidden.join());
    if ($("all-columns").checked) address.set("columns", "all");
    if (state.sort && state.sort !== sortAtFirst) address.set("sort", state.sort);
    if (!state.at) return `#${address}`;
    if (!address.size) return `#${state.at}`;
    address.set("at", state.at);
    return `#${address}`;
  };
  const remember = () => { if (!state.recalling) history.replaceState(null, "", addressText()); };
  const goTo = (id, behavior) => {
    const target = $(id);
    if (target.tabIndex < 0) target.tabIndex = -1;
    target.scrollIntoView({ behavior });
    target.focus({ preventScroll: true });
  };

  // only the rows of the chosen tab are given to the table
  const rowsOf = (tab) => data.rows.filter((r) => tab === "all" || String(r.d) === tab);
  const sortAtFirst = firstScore ? `${firstScore.title},${firstScore.higher ? "desc" : "asc"}` : null;
  state.tab = place().tab;
  $("board").hidden = false;
  const table = new Tabulator("#table", {
    data: rowsOf(state.tab), columns, maxHeight: "80vh", layout: narrow ? "fitColumns" : "fitDataFill", index: "h",
    dataTree: !narrow, dataTreeStartExpanded: false, dataTreeFilter: false, dataTreeSort: false, dataTreeElementColumn: "e",
    dataTreeExpandElement: '<button type="button" class="tree" aria-expanded="false" aria-label="cells of this row">+</button>',
    dataTreeCollapseElement: '<button type="button" class="tree" aria-expanded="true" aria-label="cells of this row">−</button>',
    rowFormatter: narrow ? unfold : undefined,
    placeholder: "No row is like that.", headerSortClickElement: "header",
  });

  // ---- filters and tabs
  const find = $("find"), boxes = ["baseline", "ceiling", "failed", "none"];
  const of = (kind) => data.columns.filter((c) => c.kind === kind);
  const states = (row) => of("verdict").map((c) => row[`w${c.f.slice(1)}`] || "missing");
  const searched = new Map();
  const textOf = (row) => {
    if (!searched.has(row)) searched.set(row, [row.e, row.k, row.t, row.p, row.bud, cells.datasetText(row), row.err, ...of("rank").map((c) => cells.text(c, row))].join(" ").toLowerCase());
    return searched.get(row);
  };
  const noSignal = (row) => of("verdict").length && states(row).every((word) => word === "none" || word === "missing") && !row.err;
  const asked = { missing: ["missing", "failed"] };
  const keep = (row) =>
    ($("show-baseline").checked || row.k !== "baseline") && ($("show-ceiling").checked || (row.k !== "ceiling" && row.k !== "reference")) &&
    ($("show-failed").checked || !row.err) && ($("show-none").checked || !noSignal(row)) &&
    (!$("verdict").value || states(row).some((word) => (asked[$("verdict").value] ?? [$("verdict").value]).includes(word))) &&
    find.value.toLowerCase().split(/\s+/).every((word) => textOf(row).includes(word));
  const count = () => {
    const rows = table.getData("active").filter((r) => r.d !== undefined).length;
    $("count").textContent = `${rows} of ${rowsOf(state.tab).length} rows`;
  };
  const refresh = () => { table.setFilter(keep); count(); remember(); };
  // what a reader changes is looked at in the table, no longer in the section that the address named
  const changed = (what) => { state.at = ""; what(); };
  const choose = async (tab) => {
    const other = tab !== state.tab;
    state.tab = tab;
    for (const button of tabs) {
      const mine = button.dataset.tab === tab;
      button.setAttribute("aria-selected", mine);
      button.tabIndex = mine ? 0 : -1;
    }
    for (const section of document.querySelectorAll("section.dataset")) section.hidden = section.dataset.dataset !== tab;
    if (other) await table.replaceData(rowsOf(tab));
    showColumns();
  };
  const showColumns = () => {
    for (const c of data.columns.filter(fits)) {
      const column = table.getColumn(c.f);
      if (column.isVisible() !== isShown(c)) column[isShown(c) ? "show" : "hide"]();
    }
    if (narrow) table.getRows("visible").forEach((row) => { unfold(row); row.normalizeHeight(); });
  };
  const sortBy = (text) => {
    const comma = text.lastIndexOf(","), title = text.slice(0, comma), direction = text.slice(comma + 1);
    const column = data.columns.find((c) => c.title === title);
    if (column) table.setSort(column.f, direction === "asc" ? "asc" : "desc");
  };
  const recall = async () => {
    state.recalling = true; // each step below would else write a half-read address
    const { address, tab, at } = place();
    state.at = at;
    find.value = address.get("find") ?? "";
    $("verdict").value = address.get("verdict") ?? "";
    for (const b of boxes) $(`show-${b}`).checked = !(address.get("hide") ?? "").split(",").includes(b);
    $("all-columns").checked = address.get("columns") === "all";
    await choose(tab);
    if (address.get("sort") ?? sortAtFirst) sortBy(address.get("sort") ?? sortAtFirst);
    refresh();
    state.recalling = false;
    remember();
    history.scrollRestoration = at ? "manual" : "auto"; // where the reader was would else win
    if (at) goTo(at, "instant");
  };

  // ---- what keys, clicks and scrolling do; one listener for all cells
  const keyboard = () => {
    for (const element of document.querySelectorAll("#table .tabulator-col.tabulator-sortable")) element.tabIndex = 0;
    $("table").addEventListener("keydown", (event) => {
      const heading = event.target.closest(".tabulator-col.tabulator-sortable");
      if (heading !== event.target || !heading || (event.key !== "Enter" && event.key !== " ")) return;
      event.preventDefault();
      heading.querySelector(".tabulator-col-content").click();
    });
  };
  // Tabulator draws an opened row anew, and again when the table grows; the focus stays on its button all the same
  let held = null;
  const refocus = () => held?.getElement().querySelector("button.tree, button.unfold")?.focus({ preventScroll: true });
  const hold = (row) => { held = row; refocus(); };
  document.addEventListener("focusin", (event) => { if (!event.target.matches("button.tree, button.unfold")) held = null; });
  document.addEventListener("pointerdown", () => { held = null; }, true);
  $("table").addEventListener("click", (event) => {
    const opener = event.target.closest("button.opener"), unfolding = event.target.closest("button.unfold");
    if (opener) Panel.toggle(opener, cells.panels.get(opener).title, cells.panels.get(opener).list(), event.detail > 0);
    if (!unfolding) return;
    const row = rowOf.get(unfolding), { h } = row.getData(), open = !unfolded.has(h);
    unfolded[open ? "add" : "delete"](h);
    unfolding.setAttribute("aria-expanded", open);
    unfold(row);
    row.normalizeHeight();
    hold(row);
  });
  // an edge is shaded while columns lie beyond it
  const shade = () => {
    const holder = document.querySelector("#table .tabulator-tableholder"), rest = holder.scrollWidth - holder.clientWidth - holder.scrollLeft;
    $("table").classList.toggle("more-right", rest > 2);
    $("table").classList.toggle("more-left", holder.scrollLeft > 2);
  };
  const watchEdges = () => {
    const holder = document.querySelector("#table .tabulator-tableholder"), sizes = new ResizeObserver(shade);
    holder.addEventListener("scroll", shade, { passive: true });
    for (const element of [holder, holder.querySelector(".tabulator-table")]) sizes.observe(element);
  };
  table.on("tableBuilt", async () => {
    keyboard();
    for (const event of ["dataTreeRowExpanded", "dataTreeRowCollapsed"]) table.on(event, hold);
    table.on("renderComplete", () => { if (document.activeElement === document.body) refocus(); });
    table.on("dataSorted", (sorters) => {
      const column = data.columns.find((c) => c.f === sorters[0]?.field);
      state.sort = column ? `${column.title},${sorters[0].dir}` : null;
      if (!state.recalling) changed(remember);
    });
    document.querySelector(".tabs").hidden = tabs.length < 2;
    await recall();
    watchEdges();
    addEventListener("hashchange", recall);
    document.documentElement.dataset.ready = "true";
  });
  if (tabs.length > 1) {
    for (const section of document.querySelectorAll("section.dataset")) {
      section.setAttribute("role", "tabpanel");
      section.setAttribute("aria-labelledby", `tab-${section.dataset.dataset}`);
    }
  }
  for (const button of tabs) {
    button.addEventListener("click", async () => { await choose(button.dataset.tab); changed(refresh); });
    button.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (!step) return;
      const next = tabs[(tabs.indexOf(button) + step + tabs.length) % tabs.length];
      next.focus();
      next.click();
    });
  }
  // a link to a section of this page would else replace all that the address says
  document.addEventListener("click", (event) => {
    const id = event.target.closest('a[href^="#"]')?.hash.slice(1);
    if (!id || !$(id) || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    state.at = id;
    history.pushState(null, "", addressText());
    goTo(id);
  });
  find.addEventListener("input", () => changed(refresh));
  for (const id of ["verdict", ...boxes.map((b) => `show-${b}`)]) $(id).addEventListener("change", () => changed(refresh));
  $("all-columns").addEventListener("change", () => { showColumns(); changed(remember); });
  $("tools").addEventListener("submit", (event) => event.preventDefault());

  // ---- exports
  const captionOf = (shown) => {
    const kinds = new Set(shown.map((c) => c.kind)), said = [];
    if (kinds.has("score")) said.push("Brackets: bootstrap interval over listeners and blocks of audio, a mean over seeds. ±: spread, the standard deviation between seeds; a number in parentheses: seeds with this score, where not all have it.");
    if (kinds.has("rank")) said.push("Ranks: 95 % intervals; encoders that share a letter cannot be told apart.");
    if (kinds.has("margin")) said.push("Above best baseline: difference, p (Holm) and the baseline.");
    return [...said, `eeg2speech-bench board, built ${$("board").dataset.built}.`].join(" ");
  };
  for (const button of document.querySelectorAll("[data-export]")) {
    button.addEventListener("click", () => {
      const shown = data.columns.filter(isShown), kind = button.dataset.export;
      const rows = table.getData("active").filter((r) => r.d !== undefined);
      const parts = shown.flatMap(["csv", "json"].includes(kind) ? cells.numbers : (c) => [[c.title, (r) => cells.text(c, r)]]);
      const lines = rows.map((r) => parts.map((p) => p[1](r)));
      Exports.save(kind, { columns: parts.map((p) => p[0]), rows: lines, caption: captionOf(shown) });
    });
  }
})();
