"use strict";
// The page is complete without this: it adds sorting, filtering, and opening a row's details from the table.
(() => {
  const table = document.getElementById("rows");
  const body = table.tBodies[0];
  const rows = [...body.rows];
  const heads = [...table.tHead.rows[0].cells];
  const form = document.getElementById("filters");
  const [search, board, status, count] = ["search", "board", "status", "count"].map((id) => document.getElementById(id));
  const details = (row) => document.getElementById(`row-${row.dataset.row}`);

  const value = (row, column, kind) => {
    const cell = row.cells[column];
    if (kind === "text") return cell.textContent.trim().toLowerCase();
    return cell.dataset.v === "" ? null : Number(cell.dataset.v);
  };

  const compare = (one, other) => (typeof one === "string" ? one.localeCompare(other) : one - other);

  function sort(column, direction) {
    const { kind } = heads[column].dataset;
    const keyed = rows.map((row) => [value(row, column, kind), row]);
    const known = keyed.filter(([key]) => key !== null).sort((a, b) => direction * compare(a[0], b[0]));
    const unknown = keyed.filter(([key]) => key === null); // last, whatever the direction
    body.append(...known.concat(unknown).map(([, row]) => row));
    heads.forEach((head, index) => {
      head.setAttribute("aria-sort", index !== column ? "none" : direction > 0 ? "ascending" : "descending");
    });
  }

  function filter() {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const row of rows) {
      const text = row.textContent.toLowerCase();
      const fits =
        words.every((word) => text.includes(word)) &&
        (!board.value || row.dataset.board === board.value) &&
        (!status.value || row.dataset.status === status.value);
      row.hidden = details(row).hidden = !fits;
      shown += fits;
    }
    const all = `${rows.length} row${rows.length === 1 ? "" : "s"}`;
    count.textContent = shown === rows.length ? all : `${shown} of ${all}`;
  }

  function reveal() {
    const target = document.getElementById(location.hash.slice(1));
    if (target instanceof HTMLDetailsElement) target.open = true;
  }

  heads.forEach((head, column) => {
    const button = head.querySelector("button");
    button.disabled = false;
    button.addEventListener("click", () => sort(column, head.getAttribute("aria-sort") === "ascending" ? -1 : 1));
  });
  form.addEventListener("input", filter);
  form.addEventListener("submit", (event) => event.preventDefault());
  table.addEventListener("click", (event) => {
    const link = event.target.closest("a");
    if (link) document.querySelector(link.getAttribute("href")).open = true;
  });
  addEventListener("hashchange", reveal);
  form.hidden = false;
  filter();
  reveal();
})();
