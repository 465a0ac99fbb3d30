// Draws the figures in the colours of the theme and fills the table of trials. Makes no requests; `live.js` does, in a live report.
"use strict";
let DATA, TABLE, ROWS; // of the content that is shown
const FIXED = 5; // columns of the table before the parameters
const tip = document.getElementById("tip");

function number(value) {
  if (value === null || value === undefined) return "";
  if (typeof value !== "number") return String(value);
  if (Number.isInteger(value)) return value.toLocaleString("en");
  const size = Math.abs(value);
  if (size >= 1000) return Math.round(value).toLocaleString("en");
  return size < 1e-3 ? value.toExponential(2).replace(/\.?0+e/, "e") : String(+value.toPrecision(4));
}

const escape = (text) => String(text).replace(/[&<>"]/g, (c) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" })[c]);
const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();

// The content of a trial's tooltip.
function tooltip(trial) {
  const row = ROWS.get(trial);
  if (!row) return "";
  const params = row.slice(FIXED).map((value, i) =>
    value === null ? "" : `<span>${escape(TABLE.columns[FIXED + i])}</span><span>${escape(number(value))}</span>`);
  return `<b>trial ${trial}</b> ${escape(row[1])} after ${row[2]} epochs<br>${escape(TABLE.columns[3])} <b>${number(row[3])}</b>` +
    `<div class="tip-params">${params.join("")}</div>`;
}

// Functions that figures refer to as @name.
const FUNCTIONS = {
  number,
  trial: (point) => tooltip(Array.isArray(point.value) ? point.value.at(-1) : point.value),
  cell: (params, api) => {
    const [x0, y0] = api.coord([api.value(0), api.value(2)]);
    const [x1, y1] = api.coord([api.value(1), api.value(3)]);
    const box = params.coordSys;
    const shape = echarts.graphic.clipRectByRect(
      { x: Math.min(x0, x1) - 0.3, y: Math.min(y0, y1) - 0.3, width: Math.abs(x1 - x0) + 0.6, height: Math.abs(y1 - y0) + 0.6 }, box);
    return shape && { type: "rect", shape, style: { fill: ramp(api.value(4)) } };
  },
};

// The colour of a value from 0 to 1, interpolated between those of the theme.
function ramp(value) {
  const position = Math.min(Math.max(value, 0), 1) * 4;
  const low = Math.min(3, Math.floor(position));
  const parts = (name) => colour(name).match(/[0-9a-f]{2}/gi).map((hex) => parseInt(hex, 16));
  const [a, b] = [parts(`ramp${low}`), parts(`ramp${low + 1}`)];
  return `rgb(${a.map((part, i) => Math.round(part + (b[i] - part) * (position - low))).join(",")})`;
}

// An option of a figure, with $names replaced by colours and @names by functions.
function resolve(value) {
  if (typeof value === "string") {
    if (value[0] === "$") return colour(value.slice(1));
    return value[0] === "@" ? FUNCTIONS[value.slice(1)] : value;
  }
  if (Array.isArray(value)) return value.length && typeof value[0] !== "object" && typeof value[0] !== "string" ? value : value.map(resolve);
  if (value === null || typeof value !== "object") return value;
  if (value["@labels"]) {
    return (position) => value["@labels"].reduce((best, pair) => (Math.abs(pair[0] - position) < Math.abs(best[0] - position) ? pair : best))[1];
  }
  return Object.fromEntries(Object.entries(value).map(([key, part]) => [key, resolve(part)]));
}

const charts = new Map();

function draw(place) {
  const { nearest, ...plain } = DATA.figures[place.dataset.figure];
  const option = resolve(plain);
  option.animation = false;
  option.textStyle = { fontFamily: getComputedStyle(document.body).fontFamily, color: colour("ink") };
  if (option.tooltip) {
    Object.assign(option.tooltip, {
      confine: true, backgroundColor: colour("paper"), borderColor: colour("axis"), extraCssText: "font-variant-numeric: tabular-nums",
      textStyle: { color: colour("ink"), fontSize: 12.5 },
    });
  }
  if (option.parallel && place.clientWidth < 560) stackAxes(option, place);
  charts.get(place)?.dispose();
  const chart = echarts.init(place, null, { renderer: "canvas" });
  chart.setOption(option);
  charts.set(place, chart);
  if (nearest) highlightNearest(chart, place);
}

// On a narrow page the parallel axes are horizontal, one below the other.
function stackAxes(option, place) {
  option.parallel = { left: 40, right: 40, top: 34, bottom: 30, layout: "vertical" };
  for (const axis of option.parallelAxis) {
    Object.assign(axis, { nameLocation: "start", nameGap: 0 });
    Object.assign(axis.nameTextStyle, { align: axis.inverse ? "right" : "left", verticalAlign: "bottom", padding: [0, 0, 8, 0] });
    axis.axisLabel.fontSize = 10;
  }
  place.style.height = `${option.parallelAxis.length * 62 + 50}px`;
}

// Squared distance of a point from the line segment between two others.
function squaredDistance([x, y], [x0, y0], [x1, y1]) {
  const [dx, dy] = [x1 - x0, y1 - y0];
  const along = Math.min(1, Math.max(0, ((x - x0) * dx + (y - y0) * dy) / (dx * dx + dy * dy || 1)));
  return (x - x0 - along * dx) ** 2 + (y - y0 - along * dy) ** 2;
}

// Highlights the curve nearest to the pointer and shows the tooltip of its trial.
function highlightNearest(chart, place) {
  const series = chart.getOption().series;
  const points = series.flatMap((one) => one.data).filter((point) => point[0] !== null);
  let pixels = null;
  chart.on("finished", () => { pixels = null; });
  const show = (event) => {
    pixels ??= points.map((point) => chart.convertToPixel({ gridIndex: 0 }, [point[0], point[1]]));
    let best = -1, smallest = 30 * 30;
    pixels.forEach((pixel, i) => {
      const next = points[i + 1]?.[2] === points[i][2] ? pixels[i + 1] : pixel;
      const distance = squaredDistance([event.offsetX, event.offsetY], pixel, next);
      if (distance < smallest) [best, smallest] = [i, distance];
    });
    const trial = best < 0 ? null : points[best][2];
    if (trial === place.trial) return trial === null ? undefined : move(event);
    place.trial = trial;
    chart.setOption({ series: series.map((_, i) => (i < series.length - 1 ? {} : { data: points.filter((point) => point[2] === trial) })) });
    tip.hidden = trial === null;
    if (trial !== null) { tip.innerHTML = tooltip(trial); move(event); }
  };
  const move = ({ event }) => {
    const at = event.touches?.[0] ?? event;
    tip.style.left = `${Math.max(8, Math.min(at.clientX + 16, innerWidth - tip.offsetWidth - 8))}px`;
    tip.style.top = `${at.clientY + 16 + tip.offsetHeight > innerHeight ? at.clientY - tip.offsetHeight - 12 : at.clientY + 16}px`;
  };
  chart.getZr().on("mousemove", show);
  chart.getZr().on("globalout", () => { tip.hidden = true; place.trial = undefined; chart.setOption({ series: series.map((_, i) => (i < series.length - 1 ? {} : { data: [] })) }); });
}

// A figure is drawn when it is scrolled near the screen; the others follow one by one, so that a picture of the whole
// page has them all.
let places = [];
const observer = new IntersectionObserver((entries) => {
  for (const { isIntersecting, target } of entries) {
    if (isIntersecting && !charts.has(target)) draw(target);
  }
}, { rootMargin: "800px" });
const redraw = () => charts.forEach((_, place) => draw(place));
let width = innerWidth;
addEventListener("resize", () => { if (innerWidth !== width) { width = innerWidth; redraw(); } });
const drawNext = () => {
  const next = places.find((place) => !charts.has(place));
  if (next) { draw(next); setTimeout(drawNext); }
};
const drawAll = () => places.forEach((place) => charts.has(place) || draw(place));
// Paper does not scroll: a table that is wider is made smaller.
const PAPER = 700; // pixels of A4 or Letter between the margins
const fitTables = (printing) => document.querySelectorAll(".scroll > table").forEach((table) => {
  const { style } = table;
  [style.zoom, style.width] = ["", printing ? "min-content" : ""];
  if (printing) [style.width, style.zoom] = ["", Math.min(1, PAPER / table.scrollWidth)];
});
const prepare = (printing) => { drawAll(); fitTables(printing); };
addEventListener("beforeprint", () => prepare(true));
addEventListener("afterprint", () => fitTables(false));
matchMedia("print").addEventListener("change", ({ matches }) => prepare(matches));
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
document.getElementById("theme").addEventListener("click", () => {
  const root = document.documentElement;
  const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = dark ? "light" : "dark";
  redraw();
});

function copy(button, text) {
  const label = button.textContent;
  const done = () => { button.textContent = "Copied"; setTimeout(() => { button.textContent = label; }, 1500); };
  const copyFromTextArea = () => {
    const area = Object.assign(document.createElement("textarea"), { value: text });
    document.body.append(area);
    area.select();
    document.execCommand("copy");
    area.remove();
    done();
  };
  navigator.clipboard ? navigator.clipboard.writeText(text).then(done, copyFromTextArea) : copyFromTextArea();
}
document.addEventListener("click", ({ target }) => { if (target.matches(".copy")) copy(target, target.dataset.copy); });

// The table of trials.
const PAGE = 50;
let view; // how the table is sorted, and whether all of it is shown
function showTable(table) {
  view ??= { sort: 3, down: table.dataset.mode === "max", all: false };
  const filter = document.getElementById("filter"), state = document.getElementById("state"), more = document.getElementById("more");
  const head = table.createTHead().insertRow();
  TABLE.columns.forEach((name, column) => {
    const cell = document.createElement("th");
    const numeric = TABLE.rows.every((row) => row[column] === null || typeof row[column] === "number");
    cell.className = numeric ? "n" : "";
    cell.innerHTML = `<button type="button">${escape(name)}</button>`;
    cell.addEventListener("click", () => {
      Object.assign(view, { sort: column, down: view.sort === column ? !view.down : false });
      fill();
    });
    head.append(cell);
  });
  const body = table.createTBody();

  // A word matches any column; name=value, name<value and name>value match one column.
  function matches(row) {
    if (state.value && row[1] !== state.value) return false;
    return filter.value.trim().split(/\s+/).filter(Boolean).every((word) => {
      const rule = word.match(/^([^<>=]+)([<>=])(.+)$/);
      const column = rule ? TABLE.columns.indexOf(rule[1]) : -1;
      if (column < 0) return row.some((value) => String(value).toLowerCase().includes(word.toLowerCase()));
      const value = row[column], [, , sign, operand] = rule;
      if (sign === "=") return String(value) === operand || (value !== null && value === Number(operand));
      return value !== null && (sign === "<" ? value < Number(operand) : value > Number(operand));
    });
  }

  function ordered(rows) {
    const { sort, down } = view;
    return [...rows].sort((a, b) => {
      const [x, y] = [a[sort], b[sort]];
      if (x === null || y === null) return (x === null) - (y === null); // missing values last
      return (x < y ? -1 : x > y ? 1 : 0) * (down ? -1 : 1) || a[0] - b[0];
    });
  }

  function fill() {
    const matching = ordered(TABLE.rows.filter(matches));
    const shown = view.all ? matching : matching.slice(0, PAGE);
    [...head.cells].forEach((cell, i) => {
      cell.classList.toggle("sorted", i === view.sort);
      cell.setAttribute("aria-sort", i !== view.sort ? "none" : view.down ? "descending" : "ascending");
    });
    body.innerHTML = shown.map((row) => {
      const cells = row.map((value, i) => {
        const text = i === 4 && value !== null ? `${value.toFixed(1)} s` : i === 0 ? value : number(value);
        const kind = i === 1 && (value === "failed" || value === "diverged") ? "bad" : i === 1 && value === "stopped" ? "dim" : "";
        return `<td class="${head.cells[i].classList.contains("n") ? "n" : ""} ${kind}">${escape(text)}</td>`;
      });
      return `<tr class="trial ${String(row[0]) === table.dataset.best ? "best" : ""}" data-trial="${row[0]}" tabindex="0">${cells.join("")}</tr>`;
    }).join("");
    document.getElementById("shown").textContent = `${matching.length.toLocaleString("en")} of ${TABLE.rows.length.toLocaleString("en")}`;
    more.hidden = shown.length === matching.length;
    more.textContent = `Show all ${matching.length.toLocaleString("en")}`;
  }

  function open(row) {
    if (row.nextSibling?.classList?.contains("open")) return row.nextSibling.remove();
    const trial = row.dataset.trial, error = TABLE.errors[trial], command = TABLE.commands[trial];
    const cell = Object.assign(document.createElement("td"), { colSpan: TABLE.columns.length });
    cell.innerHTML = `<div>${error ? `<code class="bad">${escape(error)}</code>` : ""}` +
      `${command ? `<code>${escape(command)}</code><button type="button">Copy the command</button>` : ""}</div>`;
    cell.querySelector("button")?.addEventListener("click", (event) => copy(event.target, command));
    const line = document.createElement("tr");
    line.className = "open";
    line.append(cell);
    row.after(line);
  }

  body.addEventListener("click", (event) => { const row = event.target.closest("tr.trial"); if (row) open(row); });
  body.addEventListener("keydown", (event) => { if (event.key === "Enter" && event.target.matches("tr.trial")) open(event.target); });
  filter.addEventListener("input", fill);
  state.addEventListener("change", fill);
  more.addEventListener("click", () => { view.all = true; fill(); });
  fill();
}

// Draws the content of the page.
function show() {
  DATA = JSON.parse(document.getElementById("data").textContent);
  TABLE = DATA.table;
  ROWS = new Map(TABLE.rows.map((row) => [row[0], row]));
  places = [...document.querySelectorAll("[data-figure]")];
  places.forEach((place) => observer.observe(place));
  setTimeout(drawNext);
  const table = document.getElementById("table");
  if (table) showTable(table);
}

// Before other content takes its place.
function clear() {
  observer.disconnect();
  charts.forEach((chart) => chart.dispose());
  charts.clear();
  tip.hidden = true;
}
show();
