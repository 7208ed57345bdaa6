// What a cell of the board says: as elements in the table, as text, as numbers for machines, and in full in its panel.
// `look` is { narrow, firstScore, everywhere() }: a phone, the score that it shows, whether the rows are of all data sets.
const makeCells = (data, look) => {
  const number = (column) => column.f.slice(1);
  // value of a score, and [low, high, spread, chance, best control, its name, ceiling, seeds]; one cell of a row has less
  const scoreOf = (row, n) => {
    if (!row.raw) return [row[`m${n}`], row[`x${n}`]];
    const found = row.raw[4][n];
    return found ? [found[0], [found[1], found[2], null, null, null, "", null, 1]] : [];
  };
  const verdictOf = (row, n) => (row.raw ? row.raw[5][n] : [row[`v${n}`], row[`w${n}`]]) ?? ["", ""];
  // [low, high, how many, letters, competition, what limits it]; else the reason why there is none
  const rankOf = (column, row) => row[`q${number(column)}`];
  // [difference, p, baseline]; else the reason why there is none
  const marginOf = (column, row) => row[column.f];
  const datasetText = (row) => (row.d === undefined ? "" : data.datasets[row.d]);
  const known = (value) => value !== undefined && value !== null;

  // ---- text
  const digits = (value) => (Math.abs(value) < 10 ? value.toFixed(3) : value.toFixed(1)).replace(/^-(0\.0+)$/, "$1");
  const signed = (value) => digits(value).replace(/^(?!-)/, "+");
  const pText = (p) => (p < 0.001 ? "p < 0.001" : `p = ${p.toFixed(3)}`);
  const seedsOf = (row) => (row.raw ? 1 : Number.parseInt(row.n, 10)); // of "2 of 3" the first, which have scores
  const besideText = (row, x) => {
    const spread = known(x[2]) ? ` ± ${digits(x[2])}` : "";
    return `[${x[0].toFixed(2)}, ${x[1].toFixed(2)}]${spread}${x[7] === seedsOf(row) ? "" : ` (${x[7]})`}`;
  };
  const scoreText = (row, n) => {
    const [value, x] = scoreOf(row, n);
    return x ? `${digits(value)} ${besideText(row, x)}` : "–";
  };
  // a row that was still improving when its budget ended has no best rank
  const placeOf = (found) => (found[6] ? `at worst ${found[1]}` : `${found[0]}–${found[1]}`);
  const rankText = (column, row) => {
    const found = rankOf(column, row);
    if (Array.isArray(found)) return found[2] > 1 ? `${placeOf(found)} of ${found[2]}, ${found[6] ?? found[3]}` : ["alone", ...found.slice(6)].join(", ");
    return found ? `not ranked: ${found}` : row.raw ? "" : row.k || "–";
  };
  const marginText = (column, row) => {
    const found = marginOf(column, row);
    return Array.isArray(found) ? `${signed(found[0])}, ${pText(found[1])}` : row.raw ? "" : "–";
  };
  const numberText = (kind, value) => {
    if (!known(value)) return "–";
    return kind === "count" ? Math.round(value).toLocaleString("en") : value.toFixed(1);
  };
  const text = (column, row) => {
    if (column.kind === "score") return scoreText(row, number(column));
    if (column.kind === "verdict") return verdictOf(row, number(column))[0];
    if (column.kind === "rank") return rankText(column, row);
    if (column.kind === "margin") return marginText(column, row) + (Array.isArray(marginOf(column, row)) ? ` (${marginOf(column, row)[2]})` : "");
    if (column.kind === "name") return row.k ? `${row.e} (${row.k})` : row.e;
    if (column.f === "d") return datasetText(row);
    if (column.kind === "count" || column.kind === "number") return row.raw && !known(row[column.f]) ? "" : numberText(column.kind, row[column.f]);
    return row[column.f] ?? (row.raw ? "" : "–");
  };
  // for machines: numbers as numbers, what stands beside them in columns of its own
  const numbers = (c) => {
    const at = (of) => (i) => (r) => of(r)?.[i] ?? null;
    if (c.kind === "count" || c.kind === "number") return [[c.title, (r) => r[c.f] ?? null]];
    if (c.kind === "name") return [[c.title, (r) => r.e], ["kind", (r) => r.k || "encoder"]];
    if (c.kind === "rank") {
      const part = at((r) => (Array.isArray(rankOf(c, r)) ? rankOf(c, r) : null));
      return [[`${c.title} low`, (r) => (part(6)(r) ? null : part(0)(r))], [`${c.title} high`, part(1)], [`${c.title} of`, part(2)], [`${c.title} letters`, part(3)], [`${c.title} says`, (r) => rankText(c, r)]];
    }
    if (c.kind === "margin") {
      const part = at((r) => (Array.isArray(marginOf(c, r)) ? marginOf(c, r) : null));
      return [[c.title, part(0)], [`${c.title} p`, part(1)], [`${c.title} is`, part(2)]];
    }
    if (c.kind === "text" && c.f !== "d") return [[c.title, (r) => r[c.f] ?? ""]];
    if (c.kind !== "score") return [[c.title, (r) => text(c, r)]];
    const part = at((r) => r[`x${number(c)}`]);
    const beside = ["low", "high", "spread", "chance", "best control", "best control is", "ceiling", "seeds"];
    return [[c.title, (r) => r[c.f] ?? null], ...beside.map((name, i) => [`${c.title} ${name}`, part(i)])];
  };

  // ---- elements; text of others enters as text content only
  const make = (tag, className, said) => {
    const element = document.createElement(tag);
    if (className) element.className = className;
    if (said !== undefined) element.textContent = said;
    return element;
  };
  const place = (element, from, to) => {
    element.style.left = `${from}%`;
    if (to !== undefined) element.style.width = `${Math.max(to - from, 1)}%`;
    return element;
  };
  const panels = new WeakMap();
  const opener = (className, title, list) => {
    const button = make("button", `opener ${className}`);
    button.type = "button";
    button.setAttribute("aria-haspopup", "dialog");
    panels.set(button, { title, list });
    return button;
  };
  const ranges = {};
  const findRange = (n) => {
    const all = data.rows.map((r) => r[`x${n}`]).filter(Boolean).flatMap((x) => [x[0], x[1], x[3] ?? 0, x[4] ?? 0]);
    return all.reduce(([low, high], v) => [Math.min(low, v), Math.max(high, v)], [0, 1e-9]);
  };
  const rangeOf = (n) => (ranges[n] ??= findRange(n));
  const spreadText = (x) => {
    if (known(x[2])) return `± ${digits(x[2])} over ${x[7]} seeds`;
    return x[7] > 1 ? `none: all ${x[7]} seeds give the same` : "unknown: one seed";
  };
  const scoreList = (row, value, x) => [
    ["value", row.raw || x[7] === 1 ? digits(value) : `${digits(value)}, mean of ${x[7]} seeds`],
    ["interval", `${digits(x[0])} to ${digits(x[1])}`],
    ...(row.raw ? [] : [["spread", spreadText(x)]]),
    ...(known(x[3]) ? [["chance", digits(x[3])]] : []),
    ...(known(x[4]) ? [["best control", `${digits(x[4])} (${x[5]})`]] : []),
    ...(known(x[6]) ? [["ceiling", `${digits(x[6])} (true audio embedding)`]] : []),
  ];
  const score = (column, row) => {
    const n = number(column), [value, x] = scoreOf(row, n);
    if (!x) return make("span", "muted", row.raw ? "" : "–");
    const box = opener("score", `${column.title}: ${row.e}`, () => scoreList(row, value, x)), [low, high] = rangeOf(n);
    const at = (v) => (100 * (v - low)) / (high - low);
    box.append(make("b", "", digits(value)), make("small", "", ` ${besideText(row, x).replace("± ", "±\u00a0")}`));
    const bar = box.appendChild(make("span", "interval"));
    bar.append(place(make("i", "range"), at(x[0]), at(x[1])), place(make("i", "point"), at(value)));
    if (known(x[3])) bar.append(place(make("i", "chance"), at(x[3])));
    if (known(x[4])) bar.append(place(make("i", "control"), at(x[4])));
    const beside = [known(x[4]) ? `control\u00a0${digits(x[4])}` : "", known(x[6]) ? `ceiling\u00a0${digits(x[6])}` : ""].filter(Boolean);
    if (beside.length) box.append(make("small", "beside", beside.join(" · ")));
    return box;
  };
  const verdict = (column, row) => {
    const [said, word] = verdictOf(row, number(column));
    return make("span", said ? `verdict ${word}` : "", said);
  };
  const lettersOf = (found) => found[3].split(" ");
  const tiedWith = (column, row) => {
    const found = rankOf(column, row), own = lettersOf(found);
    const ties = (other) => Array.isArray(other) && other[4] === found[4] && lettersOf(other).some((letter) => own.includes(letter));
    return data.rows.filter((r) => r !== row && ties(rankOf(column, r)));
  };
  const rankList = (column, row) => {
    const [low, high, n, letters, , limit, still] = rankOf(column, row), tied = tiedWith(column, row).map((r) => r.e);
    return [
      ["rank", still ? `at worst ${high} of ${n} encoders: ${still} when its budget ended` : `${low} to ${high} of ${n} encoders`],
      [`letter${letters.length > 1 ? "s" : ""} ${letters}`, tied.length ? `cannot be told apart from ${tied.join(", ")}` : "no other shares it"],
      ...(limit ? [["limit", limit]] : []),
    ];
  };
  const rank = (column, row) => {
    const found = rankOf(column, row);
    if (!Array.isArray(found) || found[2] < 2) return make("span", "rank-none", rankText(column, row));
    const box = opener("rank", `${column.title}: ${row.e}`, () => rankList(column, row));
    box.append(make("b", "", placeOf(found)), make("small", "", ` of ${found[2]} `));
    if (found[6]) box.append(make("small", "", ` ${found[6]} `));
    for (const letter of lettersOf(found)) box.append(make("span", letter === "A" ? "tie first" : "tie", letter));
    return box;
  };
  const margin = (column, row) => {
    const found = marginOf(column, row);
    if (!Array.isArray(found)) {
      if (!found) return make("span", "muted", marginText(column, row));
      const none = opener("margin", `${column.title}: ${row.e}`, () => [["none", found]]);
      none.append("–");
      return none;
    }
    const box = make("span", "margin", marginText(column, row));
    box.append(make("small", "", found[2]));
    return box;
  };
  const name = (column, row) => {
    const box = make("span", "name"), link = box.appendChild(make("a", "", row.e));
    link.href = row.h;
    if (row.k) box.append(make("span", `badge ${row.k}`, row.k));
    if (row.err) box.append(make("span", "badge failed", row.err.split(" ")[0].toLowerCase()));
    if (look.narrow) box.append(...below(row));
    return box;
  };
  // on a phone the name's cell also says what the table has no room for
  const below = (row) => {
    const own = (kind) => data.columns.find((c) => c.kind === kind && look.firstScore && number(c) === number(look.firstScore));
    const parts = look.everywhere() ? [make("small", "", datasetText(row))] : [];
    if (own("verdict")) parts.push(verdict(own("verdict"), row));
    if (own("rank") && Array.isArray(rankOf(own("rank"), row))) parts.push(make("small", "", `rank ${rankText(own("rank"), row)}`));
    return parts;
  };
  const elements = { name, score, verdict, rank, margin };
  return {
    make, text, numbers, panels, known, verdictOf, marginOf, datasetText,
    element: (column, row) => elements[column.kind]?.(column, row) ?? make("span", "", text(column, row)),
  };
};
