// The page comes together: head, legend, the chart over time (uPlot), and what keeps chart and lanes at one time.

const plot = document.getElementById("chart");
const counts = [];
let chart = null;

function showHead() {
  document.title = `${data.program} – raddle report`;
  document.getElementById("program").textContent = data.program;
  document.getElementById("end").textContent = `process ${data.process}: ${data.end}`;
  const facts = [
    `began ${new Date(data.began).toLocaleString()}`,
    `${data.threads.length} ${data.threads.length === 1 ? "thread" : "threads"}`,
    data.processors ? `${data.processors} ${data.processors === 1 ? "processor" : "processors"}` : "",
    data.period ? `looked at every ${length(data.period)}${data.turns ? "" : ", without seeing who has the GIL"}` : "what threads do between waits was not looked at",
  ];
  document.getElementById("facts").textContent = facts.filter(Boolean).join(" · ");
  if (data.missing) document.getElementById("facts").after(element("p", { className: "bad", textContent: data.missing }));
}

/** Kinds that occur, in the order in which they lie on each other; what was not seen comes last. */
const kinds = data.states.map((_, kind) => kind).filter((kind) => data.states[kind].some((count) => count > 0));

function showLegend() {
  const legend = document.getElementById("legend");
  for (const kind of kinds) {
    const name = kind === REST ? (data.period ? "not seen" : "running, or not seen") : nameOfKind(kind);
    counts[kind] = element("b");
    legend.append(element("span", { role: "listitem" }, swatch(kind), name, " ", counts[kind]));
  }
  if (data.resolution) legend.append(element("span", { role: "listitem" }, element("i", { className: "swatch many" }), `many shorter than ${length(data.resolution)}`));
}

function showChart() {
  chart?.destroy();
  const parts = data.states[0].length, width = data.until / parts;
  const times = Array.from({ length: parts }, (_, at) => ((at + 0.5) * width) / 1e6);
  let below = new Array(parts).fill(0);
  const stacked = kinds.map((kind) => (below = below.map((sum, at) => sum + data.states[kind][at] / 100)));
  const axis = { stroke: colours.quiet, grid: { stroke: colours.line, width: 1 }, ticks: { show: false }, font: "11px system-ui, sans-serif" };
  // Painted from the top of the stack down: each covers what belongs to those below it.
  const series = kinds.map((kind) => ({ fill: colours.kinds[kind], stroke: colours.kinds[kind], width: 0, points: { show: false } })).reverse();
  chart = new uPlot(
    {
      width: Math.max(plot.clientWidth, 200),
      height: 130,
      padding: [6, 0, 0, 0],
      legend: { show: false },
      scales: { x: { time: false, range: [0, end / 1e6] }, y: { range: (_, __, most) => [0, Math.max(most, 1)] } },
      cursor: { drag: { x: true, y: false, setScale: false }, points: { show: false }, y: false },
      axes: [{ ...axis, size: 24, values: (_, ticks) => ticks.map((tick) => `${tick} s`) }, { ...axis, size: size.gutter, gap: 6, incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000, 100000] }],
      series: [{}, ...series],
      hooks: { setSelect: [select], setCursor: [({ cursor }) => count(cursor.idx)] },
    },
    [times, ...stacked.reverse()],
    plot,
  );
  chart.over.append(element("div", { className: "window" }));
  showWindow();
}

/** Dragged over the chart: that much is shown in the lanes. */
function select({ select: { left, width }, posToVal }) {
  if (width < 3) return;
  look(chart.posToVal(left, "x") * 1e6, chart.posToVal(left + width, "x") * 1e6);
  chart.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
}

/** How many threads were at what, at the time under the pointer. */
function count(at) {
  for (const kind of kinds) {
    const threads = at === null || at === undefined ? undefined : data.states[kind][at] / 100;
    counts[kind].textContent = threads === undefined ? "" : threads.toFixed(threads < 10 ? 1 : 0);
  }
}

/** What of the chart the lanes show. */
function showWindow() {
  document.getElementById("range").textContent = `${moment(view.from)} to ${moment(view.to)}, ${length(Math.round(view.to - view.from))}`;
  [box.dataset.from, box.dataset.to] = [view.from, view.to];
  const mark = plot.querySelector(".window");
  if (!mark) return;
  mark.hidden = view.from === 0 && view.to === end;
  mark.style.left = `${(view.from / end) * 100}%`;
  mark.style.width = `${((view.to - view.from) / end) * 100}%`;
}

function begin() {
  readColours();
  showHead();
  showVerdicts();
  showLegend();
  onView.push(showWindow);
  measure();
  showChart();
  listen();
  say(null);
  let width = 0;
  new ResizeObserver(() => {
    if (box.clientWidth === width) return;
    width = box.clientWidth;
    measure();
    showChart();
  }).observe(box);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
    readColours();
    showChart();
    redraw();
  });
  // What lies below the first screen comes after it.
  setTimeout(() => {
    showLocks();
    showGraphs();
    showThreads();
    document.body.dataset.whole = "";
  });
}

begin();
