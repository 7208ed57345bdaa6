// The table as shown, as CSV, LaTeX, Markdown or JSON. `table` is {columns: [title], rows: [[value or text]], caption};
// where people read it the caption says what its signs mean.
const Exports = (() => {
  const csvCell = (value) => {
    let text = value === null || value === undefined ? "" : String(value);
    // a spreadsheet takes text that begins like this for a formula
    if (typeof value !== "number" && /^[=+\-@\t\r]/.test(text)) text = `'${text}`;
    return /[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  const texSigns = {
    "\\": "\\textbackslash{}", "{": "\\{", "}": "\\}", $: "\\$", "&": "\\&", "#": "\\#", _: "\\_", "%": "\\%",
    "~": "\\textasciitilde{}", "^": "\\textasciicircum{}", "±": "$\\pm$", "<": "$<$", ">": "$>$", "·": "$\\cdot$",
    "|": "$|$", "–": "--",
  };
  const texCell = (text) => String(text ?? "").replace(/[\\{}$&#_%~^±<>·|–]/g, (sign) => texSigns[sign]).replace(/\s+/g, " ");
  const mdCell = (text) => String(text ?? "").replace(/[\\`*_[\]|]/g, "\\$&").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replace(/\s+/g, " ");
  const line = (cells, cell) => cells.map(cell);
  return {
    csv: { ending: "csv", type: "text/csv", write: (t) => [t.columns, ...t.rows].map((r) => line(r, csvCell).join(",")).join("\r\n") + "\r\n" },
    latex: {
      ending: "tex", type: "application/x-tex",
      write: (t) => [
        "% needs \\usepackage{booktabs}",
        "\\begin{table}", `\\caption{${texCell(t.caption)}}`,
        `\\begin{tabular}{l${"r".repeat(t.columns.length - 1)}}`, "\\toprule",
        line(t.columns, texCell).join(" & ") + " \\\\", "\\midrule",
        ...t.rows.map((r) => line(r, texCell).join(" & ") + " \\\\"), "\\bottomrule", "\\end{tabular}", "\\end{table}", "",
      ].join("\n"),
    },
    markdown: {
      ending: "md", type: "text/markdown",
      write: (t) => [t.columns, t.columns.map(() => "---"), ...t.rows].map((r) => `| ${line(r, mdCell).join(" | ")} |`).join("\n") + `\n\n${mdCell(t.caption)}\n`,
    },
    json: {
      ending: "json", type: "application/json",
      write: (t) => JSON.stringify(t.rows.map((r) => Object.fromEntries(t.columns.map((c, i) => [c, r[i]]))), null, 1),
    },
    save(kind, table) {
      const { ending, type, write } = this[kind];
      const link = document.createElement("a");
      link.href = URL.createObjectURL(new Blob([write(table)], { type }));
      link.download = `eeg2speech-board.${ending}`;
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 1000);
    },
  };
})();
