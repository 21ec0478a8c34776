"use strict";
(() => {
  const root = document.documentElement;
  root.classList.add("scripted");
  const css = (name) => getComputedStyle(root).getPropertyValue(name).trim();
  const prefersDark = matchMedia("(prefers-color-scheme: dark)");
  const setTheme = (theme) => { root.dataset.theme = theme; redrawAll(); };
  const drawn = new Map(); // run anchor -> state

  // ---- charts --------------------------------------------------------------------------------------------------
  const LARGE = [[1e12, "T"], [1e9, "B"], [1e6, "M"], [1e3, "k"]];
  const UNITS = { step: "step", epoch: "epoch", samples: "samples", tokens: "tokens", time: "time" };
  const timeLabel = (chart) => `${chart.timeUnit} since the first record`;

  function xOf(chart, line, unit) {
    if (chart.byTime) return line.x.time;
    if (unit === "time") return line.x.time;
    if (unit === "step") return line.x.step;
    const [slope, intercept] = chart.scales[unit];
    return line.x.step.map((step) => step * slope + intercept);
  }
  function markX(chart, mark, unit) {
    if (unit === "step") return mark.step;
    if (chart.scales[unit]) return mark.step * chart.scales[unit][0] + chart.scales[unit][1];
    const line = chart.lines[0];
    let best = 0;
    line.x.step.forEach((step, i) => { if (Math.abs(step - mark.step) < Math.abs(line.x.step[best] - mark.step)) best = i; });
    return line.x.time ? line.x.time[best] : null;
  }
  // The plotting library wants strictly rising x: rows logged at one step stay apart by less than can be seen.
  function table(chart, line, unit, log) {
    const x = [], y = [], at = new Map();
    xOf(chart, line, unit).forEach((value, i) => {
      if (value === null || value === undefined) return;
      let place = value;
      while (x.length && place <= x[x.length - 1]) place = x[x.length - 1] + Math.max(Math.abs(x[x.length - 1]), 1) * 1e-9;
      const height = line.y[i];
      x.push(place);
      y.push(log && height !== null && height <= 0 ? null : height);
      at.set(place, i);
    });
    return { data: [x, y], at };
  }
  function colour(line, number) {
    if (line.style === "expected") return css("--expected");
    if (line.style === "declared") return css("--declared");
    if (line.style === "level") return css("--level");
    return css("--c" + (number % 6));
  }
  const REACH = 12; // pixels from the cursor within which a curve's point is shown
  const DASH = { expected: [6, 4], declared: [2, 2], level: [2, 3], observed: [] };

  function marksPlugin(chart, state) {
    return { hooks: { draw: [(u) => {
      const { ctx, bbox } = u, ratio = devicePixelRatio || 1;
      ctx.save();
      ctx.beginPath(); ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height); ctx.clip();
      if (!chart.byTime) {
        ctx.strokeStyle = css("--soft"); ctx.setLineDash([3 * ratio, 4 * ratio]); ctx.lineWidth = ratio;
        for (const join of chart.joins) {
          const at = markX(chart, { step: join }, state.unit);
          if (at === null) continue;
          const x = u.valToPos(at, "x", true);
          ctx.beginPath(); ctx.moveTo(x, bbox.top); ctx.lineTo(x, bbox.top + bbox.height); ctx.stroke();
        }
        ctx.setLineDash([]);
        const labelled = new Set();
        for (const mark of chart.marks) {
          const at = markX(chart, mark, state.unit);
          if (at === null) continue;
          const x = u.valToPos(at, "x", true);
          const known = mark.y !== null && !(u.scales.y.distr === 3 && mark.y <= 0);
          const y = known ? u.valToPos(mark.y, "y", true) : bbox.top + 8 * ratio;
          ctx.strokeStyle = ctx.fillStyle = css("--" + mark.severity); ctx.lineWidth = 2 * ratio;
          ctx.beginPath(); ctx.arc(x, y, 6 * ratio, 0, 2 * Math.PI); ctx.stroke();
          if (!labelled.has(mark.code)) {
            labelled.add(mark.code);
            ctx.textAlign = "left"; ctx.textBaseline = "alphabetic";
            ctx.font = `600 ${11 * ratio}px system-ui, sans-serif`;
            const wide = ctx.measureText(mark.code).width;
            ctx.fillText(mark.code, Math.min(x + 8 * ratio, bbox.left + bbox.width - wide - 2), Math.max(y - 8 * ratio, bbox.top + 12 * ratio));
          }
        }
      }
      ctx.restore();
    }] } };
  }

  function tipPlugin(chart, maps, sources) {
    let tip;
    const place = (u) => {
      const { left, top } = u.cursor;
      if (left === null || left < 0) { tip.style.display = "none"; return; }
      const lines = [];
      const steps = new Set();
      chart.lines.forEach((line, k) => {
        if (!u.series[k + 1].show) return;
        const index = u.cursor.idxs ? u.cursor.idxs[k + 1] : u.cursor.idx;
        if (index === null || index === undefined) return;
        const i = maps[k].get(u.data[0][index]);
        if (i === undefined) return;
        const where = line.row ? ` (${sources[line.source[i]].split("/").pop()}, row ${line.row[i]})` : "";
        steps.add(line.x.step[i]);
        lines.push(`${line.name}: ${line.y[i] === null ? "not finite" : Number(line.y[i]).toPrecision(6)}${where}`);
      });
      if (!lines.length) { tip.style.display = "none"; return; }
      lines.unshift(`step ${[...steps].sort((a, b) => a - b).join(", ")}`);
      const near = chart.marks.filter((mark) => steps.has(mark.step));
      for (const mark of near) lines.push(`${mark.code}: ${mark.text}`);
      tip.textContent = "";
      for (const text of lines) { const row = document.createElement("div"); row.textContent = text; tip.append(row); }
      tip.style.display = "block";
      const box = u.over.getBoundingClientRect();
      tip.style.left = (left > box.width / 2 ? Math.max(0, left - tip.offsetWidth - 12) : left + 14) + "px";
      tip.style.top = Math.min(top + 12, Math.max(0, box.height - tip.offsetHeight)) + "px";
    };
    return { hooks: {
      init: [(u) => { tip = document.createElement("div"); tip.className = "tip"; u.over.append(tip); }],
      setCursor: [place],
    } };
  }

  function zoomBy(u, factor, centre) {
    const { min, max } = u.scales.x;
    const middle = centre === undefined ? (min + max) / 2 : centre;
    u.setScale("x", { min: middle - (middle - min) * factor, max: middle + (max - middle) * factor });
  }
  function panBy(u, share) {
    const { min, max } = u.scales.x, move = (max - min) * share;
    u.setScale("x", { min: min + move, max: max + move });
  }
  function resetZoom(u) { u.setScale("x", { min: u.data[0][0], max: u.data[0][u.data[0].length - 1] }); }

  function gesturesPlugin() {
    return { hooks: { ready: [(u) => {
      u.over.addEventListener("wheel", (event) => {
        if (!event.ctrlKey && !event.metaKey && document.activeElement !== u.root.parentElement) return;
        event.preventDefault();
        zoomBy(u, event.deltaY < 0 ? 0.8 : 1.25, u.posToVal(event.offsetX, "x"));
      }, { passive: false });
      u.over.addEventListener("mousedown", (event) => {
        if (!event.shiftKey) return;
        event.stopImmediatePropagation(); event.preventDefault();
        let last = event.clientX;
        const move = (e) => { panBy(u, (last - e.clientX) / u.over.clientWidth); last = e.clientX; };
        const up = () => { removeEventListener("mousemove", move); removeEventListener("mouseup", up); };
        addEventListener("mousemove", move); addEventListener("mouseup", up);
      }, true);
      u.over.addEventListener("dblclick", () => resetZoom(u));
    }] } };
  }

  function build(host, chart, state, sources) {
    const number = Number(host.dataset.chart);
    const view = state.views[number] || (state.views[number] = { log: chart.log, hidden: new Set() });
    if (view.plot) view.plot.destroy();
    host.textContent = "";
    const tables = chart.lines.map((line) => table(chart, line, state.unit, view.log));
    if (!tables.some((one) => one.data[0].length)) return;
    const data = uPlot.join(tables.map((one) => one.data));
    const ink = css("--soft"), grid = { stroke: css("--grid"), width: 1 }, ticks = grid;
    const short = (value) => {
      if (value === null) return "";
      const size = Math.abs(value), large = LARGE.find(([amount]) => size >= 1e5 && size >= amount);
      if (large && size < 1e15) return Number((value / large[0]).toPrecision(4)) + large[1];
      return size >= 1e5 || (value !== 0 && size < 1e-3) ? value.toExponential(1) : String(Number(value.toPrecision(5)));
    };
    const options = {
      width: Math.max(240, host.clientWidth), height: 260, legend: { show: false },
      scales: { x: { time: false }, y: { distr: view.log ? 3 : 1 } },
      axes: [
        { stroke: ink, grid, ticks, label: chart.byTime || state.unit === "time" ? timeLabel(chart) : state.unit === "step" ? chart.xLabel : UNITS[state.unit], size: 34, labelSize: 20, values: (u, list) => list.map(short) },
        { stroke: ink, grid, ticks, label: chart.yLabel, size: 64, labelSize: 20, values: (u, list) => list.map(short) },
      ],
      cursor: { drag: { x: true, y: false }, focus: { prox: 24 }, dataIdx: (u, k, hovered) => nearest(u, k, hovered) },
      series: [{}, ...chart.lines.map((line, k) => ({
        label: line.name, stroke: colour(line, k), width: line.style === "expected" || line.style === "declared" ? 1.8 : 1.2, dash: DASH[line.style], show: !view.hidden.has(k),
        paths: line.stepped && uPlot.paths.stepped ? uPlot.paths.stepped({ align: 1 }) : undefined,
        points: { show: line.y.length <= 60, size: 4 },
      }))],
      plugins: [marksPlugin(chart, state), tipPlugin(chart, tables.map((one) => one.at), sources), gesturesPlugin()],
    };
    view.plot = new uPlot(options, data, host);
    legend(host, chart, view, state, sources);
  }
  // The row under the cursor may belong to another curve: look to both sides for this curve's own nearest row.
  function nearest(u, k, hovered) {
    if (k === 0 || hovered === null) return hovered;
    const values = u.data[k], xs = u.data[0], at = u.valToPos(xs[hovered], "x");
    const near = (i) => i >= 0 && i < xs.length && Math.abs(u.valToPos(xs[i], "x") - at) <= REACH;
    for (let away = 0; near(hovered - away) || near(hovered + away); away++) {
      for (const i of [hovered - away, hovered + away]) if (near(i) && values[i] !== undefined && values[i] !== null) return i;
    }
    return null;
  }

  function legend(host, chart, view, state, sources) {
    const box = host.nextElementSibling;
    box.textContent = "";
    const parts = new Map(); // a computed curve has a part a session, and one switch
    chart.lines.forEach((line, k) => parts.set(line.name, [...(parts.get(line.name) || []), k]));
    for (const [name, numbers] of parts) {
      const label = document.createElement("label"), tick = document.createElement("input"), swatch = document.createElement("span");
      tick.type = "checkbox"; tick.checked = !view.hidden.has(numbers[0]);
      tick.addEventListener("change", () => {
        for (const k of numbers) { tick.checked ? view.hidden.delete(k) : view.hidden.add(k); view.plot.setSeries(k + 1, { show: tick.checked }); }
      });
      swatch.className = "swatch " + chart.lines[numbers[0]].style; swatch.style.color = colour(chart.lines[numbers[0]], numbers[0]);
      label.append(tick, swatch, document.createTextNode(name));
      box.append(label);
    }
    const label = document.createElement("label"), tick = document.createElement("input");
    tick.type = "checkbox"; tick.checked = view.log;
    tick.addEventListener("change", () => { view.log = tick.checked; build(host, chart, state, sources); });
    label.append(tick, document.createTextNode("log axis"));
    box.append(label);
  }

  // ---- curves: arrays of the log, packed by the writer of this page ---------------------------------------------
  const MISSING = -(2 ** 31);
  async function unpacked(text) {
    const packed = Uint8Array.from(atob(text), (sign) => sign.charCodeAt(0));
    const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate"));
    return new Uint8Array(await new Response(stream).arrayBuffer());
  }
  function arrayOf(bytes, [kind, start, count, unit, first]) {
    const view = new DataView(new ArrayBuffer(4 * count)), values = new Array(count);
    for (let plane = 0; plane < 4; plane++) for (let i = 0; i < count; i++) view.setUint8(4 * i + plane, bytes[start + plane * count + i]);
    let sum = 0;
    for (let i = 0; i < count; i++) {
      if (kind === "float32") { const value = view.getFloat32(4 * i, true); values[i] = Number.isFinite(value) ? value : null; continue; }
      const step = view.getInt32(4 * i, true);
      if (step === MISSING) { values[i] = null; continue; }
      sum += step;
      values[i] = kind === "decimal" ? sum / unit : first + sum * unit;
    }
    return values;
  }
  async function curvesOf(anchor, script) {
    const run = JSON.parse(script.textContent), bytes = await unpacked(document.getElementById(anchor + "-numbers").textContent);
    const arrays = run.arrays.map((one) => arrayOf(bytes, one)), at = (place) => (place === null ? null : arrays[place]);
    for (const chart of run.charts) for (const line of chart.lines) {
      for (const axis of Object.keys(line.x)) line.x[axis] = at(line.x[axis]);
      line.y = at(line.y); line.source = at(line.source); line.row = at(line.row);
    }
    return run;
  }

  const opening = new Set();
  async function draw(anchor) {
    const holder = document.querySelector(`.charts[data-run="${anchor}"]`), script = document.getElementById(anchor + "-charts");
    if (!holder || !script) return;
    let state = drawn.get(anchor);
    if (!state) {
      if (opening.has(anchor)) return;
      opening.add(anchor);
      const { charts, sources } = await curvesOf(anchor, script);
      state = { charts, sources, unit: "step", views: [] };
      drawn.set(anchor, state);
      const bar = document.querySelector(`.toolbar[data-run="${anchor}"]`), select = bar.querySelector("select");
      const onStep = charts.filter((chart) => !chart.byTime);
      const units = ["step", ...["epoch", "samples", "tokens"].filter((unit) => onStep.length && onStep.every((chart) => chart.scales[unit])),
        ...(onStep.length && onStep.every((chart) => chart.timed) ? ["time"] : [])];
      for (const unit of units) { const option = document.createElement("option"); option.value = unit; option.textContent = unit; select.append(option); }
      select.addEventListener("change", () => { state.unit = select.value; draw(anchor); });
      bar.querySelector(".reset").addEventListener("click", () => state.views.forEach((view) => view.plot && resetZoom(view.plot)));
      holder.querySelectorAll(".chart").forEach((host) => {
        const number = Number(host.dataset.chart);
        host.addEventListener("keydown", (event) => {
          const plot = state.views[number] && state.views[number].plot;
          const actions = { ArrowLeft: () => panBy(plot, -0.15), ArrowRight: () => panBy(plot, 0.15), "+": () => zoomBy(plot, 0.8), "=": () => zoomBy(plot, 0.8), "-": () => zoomBy(plot, 1.25), 0: () => resetZoom(plot) };
          if (plot && actions[event.key]) { event.preventDefault(); actions[event.key](); }
        });
        new ResizeObserver(() => {
          const plot = state.views[number] && state.views[number].plot;
          if (plot && Math.abs(plot.width - host.clientWidth) > 2 && host.clientWidth > 0) plot.setSize({ width: Math.max(240, host.clientWidth), height: 260 });
        }).observe(host);
      });
    }
    holder.querySelectorAll(".chart").forEach((host) => build(host, state.charts[Number(host.dataset.chart)], state, state.sources));
  }
  function redrawAll() { for (const anchor of drawn.keys()) draw(anchor); }

  // Runs are drawn when they come into view: a folder of hundreds of runs opens at once.
  const watcher = new IntersectionObserver((entries) => {
    for (const entry of entries) if (entry.isIntersecting && !drawn.has(entry.target.dataset.run)) draw(entry.target.dataset.run);
  }, { rootMargin: "300px" });

  // ---- index ---------------------------------------------------------------------------------------------------
  function sortable(index) {
    const body = index.tBodies[0];
    index.querySelectorAll("th button").forEach((button) => button.addEventListener("click", () => {
      const head = button.closest("th"), column = [...head.parentElement.children].indexOf(head);
      const down = head.getAttribute("aria-sort") !== "descending";
      index.querySelectorAll("th").forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const key = (row) => {
        const cell = row.cells[column], ranked = cell.querySelector("[data-rank]");
        if (ranked) return Number(ranked.dataset.rank);
        const text = cell.textContent.trim();
        return button.dataset.sort === "number" ? (text === "" ? -Infinity : Number(text)) : text.toLowerCase();
      };
      const rows = [...body.rows].sort((a, b) => { const p = key(a), q = key(b); return (p < q ? -1 : p > q ? 1 : 0) * (down ? -1 : 1); });
      body.append(...rows);
    }));
  }
  function filterable(index, input) {
    const shown = document.getElementById("shown");
    const apply = () => {
      const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
      let count = 0;
      for (const row of index.tBodies[0].rows) {
        const anchor = row.querySelector("a").hash.slice(1), section = document.getElementById(anchor);
        const codes = section ? [...section.querySelectorAll("article.finding h4")].map((h) => h.textContent).join(" ") : "";
        const fits = words.every((word) => (row.textContent + " " + codes).toLowerCase().includes(word));
        row.hidden = !fits;
        if (section) section.hidden = !fits;
        count += fits;
      }
      shown.textContent = words.length ? `${count} of ${index.tBodies[0].rows.length} runs` : "";
    };
    input.addEventListener("input", apply);
  }

  document.getElementById("theme").addEventListener("click", () => setTheme(root.dataset.theme === "dark" ? "light" : "dark"));
  prefersDark.addEventListener("change", (event) => setTheme(event.matches ? "dark" : "light"));
  root.dataset.theme = prefersDark.matches ? "dark" : "light";
  const index = document.getElementById("index");
  if (index) { sortable(index); filterable(index, document.getElementById("filter")); }
  document.querySelectorAll(".charts").forEach((holder) => watcher.observe(holder));
  const openTarget = () => { const target = location.hash && document.getElementById(location.hash.slice(1)); const box = target && target.querySelector("details"); if (box) box.open = true; };
  addEventListener("hashchange", openTarget); openTarget();
})();
