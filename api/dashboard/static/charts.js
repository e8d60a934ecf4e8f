// Charts of a table: each figure draws one of its columns. The table has the truth, and is all there is without scripts.
const HEIGHT = 170;
const LABEL_WIDTH = 64;
const FONT = '12px system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "Liberation Sans", "DejaVu Sans", sans-serif';
const compact = new Intl.NumberFormat("en", { notation: "compact" });
const STEPS = [1, 2, 5].flatMap((step) => Array.from({ length: 13 }, (_, power) => step * 10 ** power)).sort((a, b) => a - b);

for (const section of document.querySelectorAll("[data-charts-of]")) {
  const table = document.getElementById(section.dataset.chartsOf);
  if (table === null || typeof uPlot === "undefined") continue;
  section.hidden = false;
  for (const figure of section.querySelectorAll("[data-column]")) show(figure, table);
}

function show(figure, table) {
  const plot = figure.querySelector(".plot");
  const read = readColumn(table, Number(figure.dataset.column));
  let drawn = null;
  const draw = () => {
    drawn?.destroy();
    drawn = new uPlot(options(read, plot.clientWidth, figure.querySelector(".told-of")), [read.moments, read.figures], plot);
  };
  draw();
  new ResizeObserver(() => drawn.width !== plot.clientWidth && draw()).observe(plot);
  // A canvas keeps the colours that it was drawn with.
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
}

function readColumn(table, column) {
  const rows = [...table.tBodies[0].rows];
  const seconds = (text) => Date.parse(text) / 1000;
  return {
    by: table.dataset.by,
    first: seconds(table.dataset.first),
    end: seconds(table.dataset.end),
    labels: rows.map((row) => row.cells[0].textContent),
    moments: rows.map((row) => seconds(row.querySelector("time").dateTime)),
    figures: rows.map((row) => number(row.cells[column].textContent)),
    shown: rows.map((row) => row.cells[column].textContent),
  };
}

function number(text) {
  const figure = Number(text.replaceAll(",", ""));
  return Number.isNaN(figure) ? null : figure;
}

function options(read, width, teller) {
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const unit = read.by === "hour" ? 3_600 : 86_400;
  const step = unit * Math.max(1, Math.ceil(((read.end - read.first) / unit) / (width / LABEL_WIDTH)));
  const splits = [];
  for (let at = read.first; at < read.end; at += step) splits.push(at);
  const form = read.by === "hour" ? { hour: "2-digit", minute: "2-digit", hourCycle: "h23" } : { day: "numeric", month: "short" };
  const format = new Intl.DateTimeFormat("en-GB", { ...form, timeZone: "UTC" });
  const axis = { stroke: colour("--soft"), font: FONT, ticks: { show: false } };
  return {
    width,
    height: HEIGHT,
    padding: [8, 8, 0, 0],
    legend: { show: false },
    cursor: { y: false, points: { show: false }, drag: { x: false, y: false } },
    scales: { x: { time: false, range: [read.first, read.end] }, y: { range: (_, __, most) => [0, Math.max(1, most * 1.08)] } },
    axes: [
      { ...axis, grid: { show: false }, size: 24, splits: () => splits, values: () => splits.map((at) => format.format(at * 1000)) },
      { ...axis, grid: { stroke: colour("--line"), width: 1 }, size: 46, incrs: STEPS, values: (_, at) => at.map((each) => compact.format(each)) },
    ],
    series: [{}, { fill: colour("--accent"), stroke: colour("--accent"), width: 0, points: { show: false }, paths: uPlot.paths.bars({ size: [0.72, 48], align: 1 }) }],
    hooks: { setCursor: [(chart) => tell(teller, read, chart.cursor.idx)] },
  };
}

function tell(teller, read, at) {
  teller.textContent = at === null || at === undefined ? "" : `${read.labels[at]}: ${read.shown[at]}`;
}
