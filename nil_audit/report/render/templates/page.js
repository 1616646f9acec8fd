"use strict";
// Sorting and filtering for tables in .sortable: works on the rows that the page was written with. What is folded
// opens where a link leads into it, and on paper.
(() => {
  const PAGE = 200;

  function key(row, column) {
    const cell = row.cells[column];
    return { number: "v" in cell.dataset ? Number(cell.dataset.v) : null, text: cell.textContent.trim() };
  }

  function compare(a, b, numeric) {
    if (!numeric) return a.text.localeCompare(b.text, "en", { numeric: true, sensitivity: "base" });
    return a.number - b.number;
  }

  function element(name, properties, ...children) {
    const made = Object.assign(document.createElement(name), properties);
    made.append(...children);
    return made;
  }

  function enhance(box) {
    const table = box.querySelector("table");
    const body = table.tBodies[0];
    const heads = [...table.tHead.rows[0].cells];
    const waiting = box.querySelector("template");
    let rows = [...body.rows];
    if (waiting) rows = rows.concat([...waiting.content.querySelectorAll("tr")]);
    const words = new Map(rows.map((row) => [row, row.textContent.toLowerCase()]));
    const chosen = new Map();
    let order = rows;
    let limit = PAGE;
    let wanted = "";

    const count = element("output", {});
    count.setAttribute("aria-live", "polite");
    const more = element("button", { type: "button", className: "more" });
    const search = element("input", { type: "search", placeholder: "part of any cell" });
    const controls = element("div", { className: "controls" }, element("label", {}, "Filter", search));

    function show() {
      const found = order.filter((row) => words.get(row).includes(wanted)
        && [...chosen].every(([column, value]) => !value || row.cells[column].textContent.trim() === value));
      body.replaceChildren(...found.slice(0, limit));
      count.textContent = `${found.length} of ${rows.length} rows`;
      more.hidden = found.length <= limit;
      more.textContent = `Show ${Math.min(found.length - limit, 1000)} more`;
    }

    function sort(column) {
      const head = heads[column];
      const numeric = head.classList.contains("n");
      const before = head.getAttribute("aria-sort");
      // Numbers start with the largest, words with the first of the alphabet; a second press turns the order.
      const first = numeric ? "descending" : "ascending";
      const second = numeric ? "ascending" : "descending";
      const direction = before === first ? second : first;
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", direction);
      const sign = direction === "ascending" ? 1 : -1;
      order = rows
        .map((row, position) => ({ row, position, key: key(row, column) }))
        .sort((a, b) => {
          if (numeric && (a.key.number === null || b.key.number === null)) {
            return (a.key.number === null) - (b.key.number === null) || a.position - b.position;
          }
          return sign * compare(a.key, b.key, numeric) || a.position - b.position;
        })
        .map((entry) => entry.row);
      show();
    }

    heads.forEach((head, column) => {
      const button = element("button", { type: "button" }, ...head.childNodes);
      button.addEventListener("click", () => sort(column));
      head.replaceChildren(button);
      if (!("choice" in head.dataset)) return;
      const values = [...new Set(rows.map((row) => row.cells[column].textContent.trim()))].filter(Boolean);
      values.sort((a, b) => a.localeCompare(b, "en", { numeric: true, sensitivity: "base" }));
      const label = button.textContent;
      const select = element("select", {}, new Option("any", ""), ...values.map((v) => new Option(v, v)));
      select.addEventListener("change", () => { chosen.set(column, select.value); limit = PAGE; show(); });
      controls.append(element("label", {}, label, select));
    });
    search.addEventListener("input", () => { wanted = search.value.trim().toLowerCase(); limit = PAGE; show(); });
    more.addEventListener("click", () => { limit += 1000; show(); });
    controls.append(count);
    box.prepend(controls);
    box.append(more);
    addEventListener("beforeprint", () => { const kept = limit; limit = rows.length; show(); limit = kept; });
    addEventListener("afterprint", show);
    show();
  }

  function unfold() {
    const box = document.getElementById(location.hash.slice(1))?.querySelector("details");
    if (box) box.open = true;
  }

  document.querySelectorAll(".sortable").forEach(enhance);
  const folded = [...document.querySelectorAll("details")];
  let closed = [];
  addEventListener("beforeprint", () => {
    closed = folded.filter((box) => !box.open);
    closed.forEach((box) => { box.open = true; });
  });
  addEventListener("afterprint", () => closed.forEach((box) => { box.open = false; }));
  addEventListener("hashchange", unfold);
  unfold();
})();
