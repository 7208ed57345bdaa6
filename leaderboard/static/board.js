// The board: Tabulator draws, sorts and scrolls; this file says what a cell looks like, filters, and keeps the address.
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const $ = (id) => document.getElementById(id);
  const tabs = [...document.querySelectorAll("[data-tab]")];
  const state = { tab: "0", sort: null };
  const narrow = innerWidth < 700;
  const firstScore = data.columns.find((c) => c.kind === "score");

  // a row's cells come as lists and stay so, to keep the page small and quick to open
  for (const row of data.rows.filter((r) => r.cells)) {
    row._children = row.cells.map((raw) => ({ e: `seed ${raw[1]}`, n: String(raw[1]), h: `${row.h}#${raw[0]}`, min: raw[2], p: row.p, err: raw[3], raw }));
  }
  const number = (column) => column.f.slice(1);
  // value and [low, high, seed SD, chance, best control, its name, ceiling] of a row or a cell
  const scoreOf = (row, n) => {
    if (!row.raw) return [row[`m${n}`], row[`x${n}`]];
    const found = row.raw[4][n];
    return found ? [found[0], [found[1], found[2], null, null, null, "", null]] : [undefined, undefined];
  };
  const verdictOf = (row, n) => (row.raw ? row.raw[5][n] : [row[`v${n}`], row[`w${n}`]]) ?? ["", ""];

  // ---- cells: text enters as text content only
  const make = (tag, className, text) => {
    const element = document.createElement(tag);
    if (className) element.className = className;
    if (text !== undefined) element.textContent = text;
    return element;
  };
  const place = (element, from, to) => {
    element.style.left = `${from}%`;
    if (to !== undefined) element.style.width = `${Math.max(to - from, 1)}%`;
    return element;
  };
  const digits = (value) => (Math.abs(value) < 10 ? value.toFixed(3) : value.toFixed(1));
  const scoreText = (value, x) => {
    if (value === undefined || value === null) return "–";
    const spread = x[2] === null ? "" : ` ± ${digits(x[2])}`;
    return `${digits(value)} [${x[0].toFixed(2)}, ${x[1].toFixed(2)}]${spread}`;
  };
  const numberText = (kind, value) => {
    if (value === undefined || value === null) return "–";
    return kind === "count" ? Math.round(value).toLocaleString("en") : value.toFixed(1);
  };
  const ranges = {};
  for (const column of data.columns.filter((c) => c.kind === "score")) {
    const n = number(column);
    const all = data.rows.filter((r) => r[`x${n}`]).flatMap((r) => [r[`x${n}`][0], r[`x${n}`][1], r[`x${n}`][3] ?? 0]);
    ranges[n] = [Math.min(0, ...all), Math.max(...all, 1e-9)];
  }
  const score = (column) => (cell) => {
    const n = number(column), [value, x] = scoreOf(cell.getData(), n);
    if (!x) return make("span", "muted", "–");
    const box = make("div", "score"), [low, high] = ranges[n];
    const at = (v) => (100 * (v - low)) / (high - low);
    const top = box.appendChild(make("div"));
    top.append(make("b", "", digits(value)), make("small", "", ` ${scoreText(value, x).replace(/^\S+ /, "")}`));
    const bar = box.appendChild(make("div", "interval"));
    bar.append(place(make("i", "range"), at(x[0]), at(x[1])), place(make("i", "point"), at(value)));
    if (x[3] !== null) bar.append(place(make("i", "chance"), at(x[3])));
    box.title = [
      x[3] === null ? "" : `chance ${digits(x[3])}`,
      x[4] === null ? "" : `best control ${digits(x[4])} (${x[5]})`,
      x[6] === null ? "" : `true audio embedding ${digits(x[6])}`,
    ].filter(Boolean).join("; ");
    return box;
  };
  const verdict = (column) => (cell) => {
    const [text, word] = verdictOf(cell.getData(), number(column));
    return make("span", `verdict ${word}`, text);
  };
  // a rank is [low, high, how many, tie, competition]; else the reason why there is none
  const rankOf = (column, row) => row[`q${number(column)}`];
  const rankText = (column, row) => {
    const found = rankOf(column, row);
    if (Array.isArray(found)) return found[2] > 1 ? `${found[0]}–${found[1]} of ${found[2]}, ${found[3]}` : "alone";
    return found ? `not ranked: ${found}` : row.raw ? "" : row.k || "–";
  };
  const tieOf = (column, row) => {
    const found = rankOf(column, row);
    return Array.isArray(found) ? `${found[4]} ${found[3]}` : "";
  };
  const rank = (column) => (cell) => {
    const row = cell.getData(), found = rankOf(column, row);
    if (!Array.isArray(found) || found[2] < 2) return make("span", "rank-none", rankText(column, row));
    const [low, high, n, tie, , limit] = found, box = make("span", "rank"), tied = data.rows.filter((r) => tieOf(column, r) === tieOf(column, row));
    box.append(make("b", "", `${low}–${high}`), make("small", "", ` of ${n} `), make("span", "tie", tie));
    box.title = tied.length > 1 ? `cannot be told from the best of: ${tied.map((r) => r.e).join(", ")}` : "no other ties with it";
    if (limit) box.title += `; ${limit}`;
    cell.getElement().dataset.tie = tie === "A" ? "first" : tie.charCodeAt(tie.length - 1) % 2 ? "odd" : "even";
    return box;
  };
  const name = (cell) => {
    const row = cell.getData(), box = make("span", "name");
    const link = box.appendChild(make("a", "", row.e));
    link.href = row.h;
    if (row.k) box.append(make("span", `badge ${row.k}`, row.k));
    if (row.err) box.append(make("span", "badge failed", row.err.split(" ")[0].toLowerCase()));
    if (narrow && state.tab === "all") box.append(make("small", "", datasetText(row)));
    return box;
  };
  const datasetText = (row) => (row.d === undefined ? "" : data.datasets[row.d]);
  const shownText = (column, row) => {
    if (column.kind === "score") return scoreText(...scoreOf(row, number(column)));
    if (column.kind === "verdict") return verdictOf(row, number(column))[0];
    if (column.kind === "rank") return rankText(column, row);
    if (column.kind === "name") return row.k ? `${row.e} (${row.k})` : row.e;
    if (column.f === "d") return datasetText(row);
    if (column.kind === "count" || column.kind === "number") return numberText(column.kind, row[column.f]);
    return row[column.f] ?? "";
  };
  // for machines: numbers as numbers, the interval in columns of its own
  const numbersOf = (c) => {
    if (c.kind === "count" || c.kind === "number") return [[c.title, (r) => r[c.f] ?? null]];
    if (c.kind === "name") return [[c.title, (r) => r.e], ["kind", (r) => r.k || "encoder"]];
    if (c.kind === "rank") {
      const part = (i) => (r) => (Array.isArray(rankOf(c, r)) ? rankOf(c, r)[i] : null);
      return [[`${c.title} low`, part(0)], [`${c.title} high`, part(1)], [`${c.title} of`, part(2)], [`${c.title} tie`, part(3)], [`${c.title} says`, (r) => rankText(c, r)]];
    }
    if (c.kind !== "score") return [[c.title, (r) => shownText(c, r)]];
    const beside = (i) => (r) => r[`x${c.f.slice(1)}`]?.[i] ?? null;
    return [[c.title, (r) => r[c.f] ?? null], [`${c.title} low`, beside(0)], [`${c.title} high`, beside(1)], [`${c.title} seed SD`, beside(2)], [`${c.title} chance`, beside(3)]];
  };
  const head = (column) => () => {
    const box = make("span", "", column.title);
    box.title = column.note;
    if (column.higher === false) box.append(" ↓");
    return box;
  };
  const define = (column) => {
    const numeric = ["score", "count", "number", "rank"].includes(column.kind);
    const formatters = { name, score: score(column), verdict: verdict(column), rank: rank(column) };
    return {
      field: column.f, title: column.title, titleFormatter: head(column),
      formatter: formatters[column.kind] ?? ((cell) => make("span", "", shownText(column, cell.getData()))),
      sorter: numeric ? "number" : (a, b, one, two) => shownText(column, one.getData()).localeCompare(shownText(column, two.getData())),
      sorterParams: { alignEmptyValues: "bottom" },
      headerSortStartingDir: numeric && column.kind !== "rank" && column.higher !== false ? "desc" : "asc",
      headerSortTristate: false, visible: column.shown && column.f !== "d",
      frozen: column.kind === "name" && !narrow,
      responsive: column.kind === "name" ? 0 : column === firstScore ? 1 : ["verdict", "rank"].includes(column.kind) ? 2 : column.kind === "score" ? 3 : 4,
      hozAlign: column.kind === "count" || column.kind === "number" ? "right" : "left",
      width: narrow && (column.kind === "name" || column === firstScore) ? 142 : undefined, maxWidth: column.kind === "name" ? 280 : column.kind === "rank" ? 220 : false, minWidth: column.kind === "score" ? (narrow ? 142 : 150) : column.kind === "rank" ? 116 : column.kind === "name" ? 140 : 70,
      widthGrow: 1,
    };
  };
  const folded = (items) => {
    const list = make("dl", "folded");
    for (const { title, value } of items) {
      list.append(make("dt", "", title));
      const content = list.appendChild(make("dd"));
      if (value instanceof Node) content.append(value); else content.textContent = value;
    }
    return items.length ? list : "";
  };

  const columns = data.columns.map(define);
  if (narrow) columns.unshift({ formatter: "responsiveCollapse", width: 36, headerSort: false, responsive: 0, resizable: false });
  // only the rows of the chosen tab are given to the table
  const tabOf = (address) => {
    const named = address.get("data");
    return named === "all" ? "all" : String(Math.max(data.datasets.indexOf(named), 0));
  };
  const rowsOf = (tab) => data.rows.filter((r) => tab === "all" || String(r.d) === tab);
  state.tab = tabOf(new URLSearchParams(location.hash.slice(1)));
  $("board").hidden = false;
  const table = new Tabulator("#table", {
    data: rowsOf(state.tab), columns, maxHeight: "80vh", layout: "fitDataFill", index: "h",
    dataTree: !narrow, dataTreeStartExpanded: false, dataTreeFilter: false, dataTreeSort: false, dataTreeElementColumn: "e",
    dataTreeExpandElement: '<button type="button" class="tree" aria-label="show the cells of this row">+</button>',
    dataTreeCollapseElement: '<button type="button" class="tree" aria-label="hide the cells of this row">−</button>',
    responsiveLayout: narrow ? "collapse" : false, responsiveLayoutCollapseStartOpen: false,
    responsiveLayoutCollapseFormatter: folded,
    placeholder: "No row is like that.", headerSortClickElement: "header",
  });

  // ---- filters, tabs, address
  const find = $("find"), boxes = ["baseline", "ceiling", "failed", "none"];
  const verdictFields = data.columns.filter((c) => c.kind === "verdict").map((c) => c.f);
  const textOf = (row) => [row.e, row.k, row.t, row.p, row.bud, datasetText(row), row.err, ...verdictFields.map((f) => row[f])].join(" ").toLowerCase();
  const noSignal = (row) => verdictFields.length && verdictFields.every((f) => ["none", "", undefined].includes(row[`w${f.slice(1)}`])) && !row.err;
  const keep = (row) =>
    ($("show-baseline").checked || row.k !== "baseline") && ($("show-ceiling").checked || (row.k !== "ceiling" && row.k !== "reference")) &&
    ($("show-failed").checked || !row.err) && ($("show-none").checked || !noSignal(row)) &&
    find.value.toLowerCase().split(/\s+/).every((word) => textOf(row).includes(word));
  const remember = () => {
    const address = new URLSearchParams();
    if (state.tab !== "0") address.set("data", state.tab === "all" ? "all" : data.datasets[state.tab]);
    if (find.value) address.set("find", find.value);
    const hidden = boxes.filter((b) => !$(`show-${b}`).checked);
    if (hidden.length) address.set("hide", hidden.join());
    if ($("all-columns").checked) address.set("columns", "all");
    if (state.sort) address.set("sort", state.sort);
    history.replaceState(null, "", `#${address}`);
  };
  const count = () => {
    const rows = table.getData("active").filter((r) => r.d !== undefined).length;
    $("count").textContent = `${rows} of ${rowsOf(state.tab).length} rows`;
  };
  const refresh = () => { table.setFilter(keep); count(); if (!state.recalling) remember(); };
  const setShown = (field, shown) => {
    const column = table.getColumn(field);
    if (column.isVisible() !== shown) column[shown ? "show" : "hide"]();
  };
  const choose = async (tab) => {
    const other = tab !== state.tab;
    state.tab = tab;
    for (const button of tabs) {
      const mine = button.dataset.tab === tab;
      button.setAttribute("aria-selected", mine);
      button.tabIndex = mine ? 0 : -1;
    }
    for (const section of document.querySelectorAll("section.dataset")) section.hidden = section.dataset.dataset !== tab;
    setShown("d", tab === "all" && !narrow);
    if (other) await table.replaceData(rowsOf(tab));
  };
  const showColumns = () => {
    for (const c of data.columns.filter((c) => !c.shown)) setShown(c.f, $("all-columns").checked);
  };
  const sortBy = (text) => {
    const comma = text.lastIndexOf(","), title = text.slice(0, comma), direction = text.slice(comma + 1);
    const column = data.columns.find((c) => c.title === title);
    if (column) table.setSort(column.f, direction === "asc" ? "asc" : "desc");
  };
  const recall = async () => {
    state.recalling = true; // each step below would else write a half-read address
    const address = new URLSearchParams(location.hash.slice(1));
    find.value = address.get("find") ?? "";
    for (const b of boxes) $(`show-${b}`).checked = !(address.get("hide") ?? "").split(",").includes(b);
    $("all-columns").checked = address.get("columns") === "all";
    await choose(tabOf(address));
    showColumns();
    if (address.get("sort")) sortBy(address.get("sort"));
    else if (firstScore) sortBy(`${firstScore.title},${firstScore.higher ? "desc" : "asc"}`);
    state.recalling = false;
    refresh();
  };
  // a column's head is reached by Tab and sorted by Enter or Space
  const keyboard = () => {
    for (const element of document.querySelectorAll("#table .tabulator-col.tabulator-sortable")) {
      element.tabIndex = 0;
      element.onkeydown = (event) => {
        if (event.key !== "Enter" && event.key !== " ") return;
        event.preventDefault();
        element.querySelector(".tabulator-col-content").click();
      };
    }
  };
  // a line where a tie group begins, in a table sorted by rank
  let divided = [];
  const divide = (column, rows) => {
    for (const element of divided) element.classList.remove("tie-start");
    const starts = column?.kind === "rank" ? rows.filter((r, i) => i && tieOf(column, r.getData()) !== tieOf(column, rows[i - 1].getData())) : [];
    divided = starts.map((r) => r.getElement());
    for (const element of divided) element.classList.add("tie-start");
  };
  table.on("tableBuilt", async () => {
    keyboard();
    table.on("dataSorted", (sorters, rows) => {
      const column = data.columns.find((c) => c.f === sorters[0]?.field);
      state.sort = column ? `${column.title},${sorters[0].dir}` : null;
      divide(column, rows);
      if (!state.recalling) remember();
    });
    await recall();
    document.querySelector(".tabs").hidden = tabs.length < 2;
    addEventListener("hashchange", () => { if (/[=]/.test(location.hash)) recall(); });
    document.documentElement.dataset.ready = "true";
  });
  for (const button of tabs) {
    button.addEventListener("click", async () => { await choose(button.dataset.tab); refresh(); });
    button.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (!step) return;
      const next = tabs[(tabs.indexOf(button) + step + tabs.length) % tabs.length];
      next.focus();
      next.click();
    });
  }
  find.addEventListener("input", refresh);
  for (const b of boxes) $(`show-${b}`).addEventListener("change", refresh);
  $("all-columns").addEventListener("change", () => { showColumns(); remember(); });
  $("tools").addEventListener("submit", (event) => event.preventDefault());
  for (const button of document.querySelectorAll("[data-export]")) {
    button.addEventListener("click", () => {
      const shown = data.columns.filter((c) => table.getColumn(c.f).isVisible() || (narrow && c.shown && (c.f !== "d" || state.tab === "all")));
      const rows = table.getData("active").filter((r) => r.d !== undefined);
      const parts = shown.flatMap(["csv", "json"].includes(button.dataset.export) ? numbersOf : (c) => [[c.title, (r) => shownText(c, r)]]);
      Exports.save(button.dataset.export, { columns: parts.map((p) => p[0]), rows: rows.map((r) => parts.map((p) => p[1](r))) });
    });
  }
})();
