"use strict"; // everything here is a convenience: without scripts the page shows the same, unsorted and all at once

function make(tag, text, click) {
  const element = document.createElement(tag);
  element.textContent = text;
  if (click) {
    element.type = "button";
    element.addEventListener("click", click);
  }
  return element;
}

function download(name, address) {
  const link = document.createElement("a");
  link.download = name;
  link.href = address;
  link.click();
}

// ---- light and dark

function theme() {
  const button = document.getElementById("theme"), root = document.documentElement;
  const system = matchMedia("(prefers-color-scheme: dark)");
  const dark = () => (root.dataset.theme ? root.dataset.theme === "dark" : system.matches);
  const name = () => { button.textContent = dark() ? "Light page" : "Dark page"; };
  button.addEventListener("click", () => { root.dataset.theme = dark() ? "light" : "dark"; name(); });
  system.addEventListener("change", name);
  button.hidden = false;
  name();
}

// ---- tables: sorting and CSV

function value(cell) { // a number where the cell starts with one, as in "−1149.22", "4.0e−16", "98 %"
  const text = cell.textContent.trim().replaceAll("−", "-").replace("∞", "Infinity");
  const number = parseFloat(text);
  return Number.isNaN(number) ? (text === "–" ? null : text) : number;
}

function compare(a, b) { // numbers before words
  if (typeof a === "number" && typeof b === "number") return a - b || 0;
  if (typeof a === typeof b) return a.localeCompare(b);
  return typeof a === "number" ? -1 : 1;
}

function sort(table, column, head) {
  const sign = head.getAttribute("aria-sort") === "ascending" ? -1 : 1, body = table.tBodies[0];
  const rows = [...body.rows].map((row) => ({ row, key: value(row.cells[column]) }));
  rows.sort((a, b) => { // cells without a value stay last
    if (a.key === null || b.key === null) return (a.key === null) - (b.key === null);
    return sign * compare(a.key, b.key);
  });
  for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
  head.setAttribute("aria-sort", sign > 0 ? "ascending" : "descending");
  body.append(...rows.map((item) => item.row));
}

function csv(table) {
  const line = (row) => [...row.cells].map((cell) => {
    const text = cell.textContent.trim().replace(/^−/, "-").replace(/e−/, "e-");
    return /[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  }).join(",");
  return [table.tHead.rows[0], ...table.tBodies[0].rows].map(line).join("\r\n") + "\r\n";
}

function tables() {
  document.querySelectorAll("table").forEach((table, number) => {
    [...table.tHead.rows[0].cells].forEach((head, column) => {
      const text = head.textContent.trim();
      if (!text) return;
      head.replaceChildren(make("button", text, () => sort(table, column, head)));
    });
    const section = table.closest("section").id, box = document.createElement("div");
    const button = make("button", "CSV", () => {
      download(`${section}-${number}.csv`, "data:text/csv;charset=utf-8," + encodeURIComponent(csv(table)));
    });
    button.setAttribute("aria-label", `Save this table as CSV (${section}, table ${number + 1})`);
    box.className = "save";
    box.append(button);
    table.closest(".scroll").after(box);
  });
}

// ---- figures: SVG and PNG, and the slider over frames

function png(image, name) {
  const canvas = document.createElement("canvas");
  canvas.width = 2 * image.naturalWidth;
  canvas.height = 2 * image.naturalHeight;
  canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
  download(name, canvas.toDataURL("image/png"));
}

function figures() {
  document.querySelectorAll("figure").forEach((figure, number) => {
    const name = `${figure.closest("section").id}-${number}`, box = document.createElement("div");
    const shown = () => figure.querySelector("img:not([hidden])");
    const vector = shown().src.startsWith("data:image/svg");
    const kinds = vector ? ["SVG", "PNG"] : ["PNG"];
    for (const kind of kinds) {
      const button = make("button", kind, () => {
        if (vector && kind === "PNG") png(shown(), name + ".png");
        else download(`${name}.${kind.toLowerCase()}`, shown().src);
      });
      button.setAttribute("aria-label", `Save this figure as ${kind} (${name})`);
      box.append(button);
    }
    box.className = "save";
    figure.append(box);
  });
}

function slides() {
  document.querySelectorAll("figure.slides").forEach((figure) => {
    const frames = [...figure.querySelectorAll("img")], label = figure.querySelector("label");
    const input = label.querySelector("input"), output = label.querySelector("output");
    const show = () => {
      frames.forEach((frame, i) => { frame.hidden = i !== Number(input.value); });
      output.textContent = frames[input.value].dataset.title;
      input.setAttribute("aria-valuetext", output.textContent);
    };
    input.addEventListener("input", show);
    label.hidden = false;
    show();
  });
}

theme();
tables();
slides();
figures();
