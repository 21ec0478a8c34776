"use strict";
// Curves of a run: unpacked, drawn with uPlot, and redrawn over another axis. Used by the page and by TensorBoard's tab.
globalThis.analyzerCharts = (() => {
  const root = document.documentElement;
  const css = (name) => getComputedStyle(root).getPropertyValue(name).trim();
  const LARGE = [[1e12, "T"], [1e9, "B"], [1e6, "M"], [1e3, "k"]];
  const REACH = 12; // pixels from the cursor within which a curve's point is shown
  const HEIGHT = 260;
  const MARK = 6; // radius of a mark; one at the edge is drawn whole
  const DASH = { expected: [6, 4], declared: [2, 2], level: [2, 3], band: [1, 4], observed: [] };
  const RUN_DASH = [[], [7, 4], [2, 3]]; // more runs than colours differ by their dashes

  // ---- numbers: arrays of the log, packed by the writer of this page ---------------------------------------------
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
  const opened = new Map(); // anchor -> promise of the run's curves
  function curvesOf(anchor) {
    if (!opened.has(anchor)) opened.set(anchor, read(anchor));
    return opened.get(anchor);
  }
  function forget(anchor) { opened.delete(anchor); }
  let fetchFirst = async () => {}; // where the parts of a page are not all there from the beginning
  async function read(anchor) {
    await fetchFirst(anchor);
    const described = document.getElementById(anchor + "-charts");
    if (!described) return null;
    const run = JSON.parse(described.textContent), bytes = await unpacked(document.getElementById(anchor + "-numbers").textContent);
    const arrays = run.arrays.map((one) => arrayOf(bytes, one)), at = (place) => (place === null ? null : arrays[place]);
    const filled = (line) => {
      const x = Object.fromEntries(Object.entries(line.x).map(([axis, place]) => [axis, at(place)]));
      return { ...line, x, y: at(line.y), source: at(line.source), row: at(line.row), run };
    };
    for (const chart of run.charts) chart.lines = chart.lines.map(filled);
    for (const tag of run.tags) tag.lines = tag.lines.map((one) => (Array.isArray(one) ? run.charts[one[0]].lines[one[1]] : filled(one)));
    return run;
  }

  // ---- places ------------------------------------------------------------------------------------------------------
  function xOf(chart, line, unit) {
    if (chart.byTime) return line.x.time;
    if (unit === "time") { // a chart of several runs has the unit of the longest
      const scale = line.run.timeSeconds / (chart.timeSeconds || line.run.timeSeconds);
      return scale === 1 ? line.x.time : line.x.time.map((value) => (value === null ? null : value * scale));
    }
    if (unit === "step") return line.x.step;
    const [slope, intercept] = line.run.scales[unit];
    return line.x.step.map((step) => (step === null ? null : step * slope + intercept));
  }
  function markX(chart, step, unit) {
    if (unit === "step") return step;
    const line = chart.lines[0], scale = line.run.scales[unit];
    if (scale) return step * scale[0] + scale[1];
    let best = 0;
    line.x.step.forEach((own, i) => { if (Math.abs(own - step) < Math.abs(line.x.step[best] - step)) best = i; });
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
      y.push(log && line.axis !== "y2" && height !== null && height <= 0 ? null : height);
      at.set(place, i);
    });
    return { data: [x, y], at };
  }
  function colour(line, number) {
    if (line.style === "expected") return css("--expected");
    if (line.style === "declared") return css("--declared");
    if (line.style === "level" || line.style === "band") return css("--level");
    return css("--c" + ((line.colour === undefined ? number : line.colour) % 6));
  }
  const dashOf = (line) => line.colour === undefined ? DASH[line.style] : RUN_DASH[Math.floor(line.colour / 6) % RUN_DASH.length];
  const short = (value) => {
    if (value === null) return "";
    const size = Math.abs(value), large = LARGE.find(([amount]) => size >= 1e5 && size >= amount);
    if (large && size < 1e15) return Number((value / large[0]).toPrecision(4)) + large[1];
    return size >= 1e5 || (value !== 0 && size < 1e-3) ? value.toExponential(1) : String(Number(value.toPrecision(5)));
  };

  // ---- drawing -----------------------------------------------------------------------------------------------------
  const sharp = (x, width) => Math.round(x) + (Math.round(width) % 2 ? 0.5 : 0); // a straight line on whole pixels
  function marksPlugin(chart, unit) {
    return { hooks: { draw: [(u) => {
      const { ctx, bbox } = u, ratio = devicePixelRatio || 1, room = (MARK + 2) * ratio;
      const right = bbox.left + bbox.width, bottom = bbox.top + bbox.height, inside = (x) => x >= bbox.left - 1 && x <= right + 1;
      ctx.save();
      ctx.beginPath(); ctx.rect(bbox.left - room, bbox.top - room, bbox.width + 2 * room, bbox.height + 2 * room); ctx.clip();
      ctx.strokeStyle = css("--soft"); ctx.setLineDash([3 * ratio, 4 * ratio]); ctx.lineWidth = Math.max(1, Math.round(ratio));
      for (const join of chart.byTime ? [] : chart.joins) {
        const at = markX(chart, join, unit), x = at === null ? NaN : u.valToPos(at, "x", true);
        if (!inside(x)) continue;
        ctx.beginPath(); ctx.moveTo(sharp(x, ctx.lineWidth), bbox.top); ctx.lineTo(sharp(x, ctx.lineWidth), bottom); ctx.stroke();
      }
      ctx.setLineDash([]);
      const labelled = new Set();
      for (const mark of chart.marks) {
        const at = chart.byTime ? mark.time : markX(chart, mark.step, unit), x = at === null ? NaN : u.valToPos(at, "x", true);
        if (!inside(x)) continue;
        const known = mark.y !== null && !(u.scales.y.distr === 3 && mark.y <= 0);
        const y = Math.min(bottom, Math.max(bbox.top, known ? u.valToPos(mark.y, "y", true) : bbox.top + 8 * ratio));
        ctx.strokeStyle = ctx.fillStyle = css("--" + mark.severity); ctx.lineWidth = 2 * ratio;
        ctx.beginPath(); ctx.arc(x, y, MARK * ratio, 0, 2 * Math.PI); ctx.stroke();
        if (labelled.has(mark.code)) continue;
        labelled.add(mark.code);
        ctx.textAlign = "left"; ctx.textBaseline = "alphabetic";
        ctx.font = `600 ${11 * ratio}px system-ui, sans-serif`;
        const wide = ctx.measureText(mark.code).width;
        const place = [mark.code, Math.min(x + 8 * ratio, right - wide - 2), Math.max(y - 8 * ratio, bbox.top + 12 * ratio)];
        ctx.strokeStyle = css("--panel"); ctx.lineWidth = 3 * ratio; ctx.strokeText(...place); // a curve behind it does not strike it out
        ctx.fillText(...place);
      }
      ctx.restore();
    }] } };
  }

  function tipPlugin(chart, maps) {
    let tip;
    const place = (u) => {
      const { left, top } = u.cursor;
      if (left === null || left < 0) { tip.style.display = "none"; return; }
      const lines = [], steps = new Set();
      chart.lines.forEach((line, k) => {
        if (!u.series[k + 1].show) return;
        const index = u.cursor.idxs ? u.cursor.idxs[k + 1] : u.cursor.idx;
        if (index === null || index === undefined) return;
        const i = maps[k].get(u.data[0][index]);
        if (i === undefined) return;
        const where = line.row ? ` (${line.run.sources[line.source[i]].split("/").pop()}, row ${line.row[i]})` : "";
        steps.add(line.x.step[i]);
        lines.push(`${line.name}: ${line.y[i] === null ? "not finite" : Number(line.y[i]).toPrecision(6)}${where}`);
      });
      if (!lines.length) { tip.style.display = "none"; return; }
      lines.unshift(`step ${[...steps].sort((a, b) => a - b).join(", ")}`);
      for (const mark of chart.marks) if (steps.has(mark.step)) lines.push(`${mark.code}: ${mark.text}`);
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
    const { min, max } = u.scales.x, middle = centre === undefined ? (min + max) / 2 : centre;
    u.setScale("x", { min: middle - (middle - min) * factor, max: middle + (max - middle) * factor });
  }
  function panBy(u, share) {
    const { min, max } = u.scales.x, move = (max - min) * share;
    u.setScale("x", { min: min + move, max: max + move });
  }
  function resetZoom(u) { u.setScale("x", u.whole || { min: u.data[0][0], max: u.data[0][u.data[0].length - 1] }); }
  // All that charts of one run show of an axis: they stand over each other, and one zoom is the zoom of all.
  function wholeOf(charts, unit) {
    let min = Infinity, max = -Infinity;
    for (const chart of charts) for (const line of chart.byTime ? [] : chart.lines) for (const value of xOf(chart, line, unit) || []) {
      if (value !== null && value !== undefined) { if (value < min) min = value; if (value > max) max = value; }
    }
    return max > min ? { min, max } : null;
  }
  function zoomPlugin(chart, unit, view) { // view: {whole, range, peers}
    const linked = !chart.byTime && view.whole;
    const same = (u, { min, max }) => u.scales.x.min === min && u.scales.x.max === max;
    return { hooks: {
      ready: [(u) => {
        if (linked) u.whole = view.whole;
        const kept = view.range && view.range.unit === unit ? view.range : u.whole;
        if (kept) u.setScale("x", { min: kept.min, max: kept.max });
      }],
      setScale: [(u, key) => {
        if (key !== "x" || !u.status) return;
        const { min, max } = u.scales.x;
        view.range = { unit, min, max };
        for (const other of linked ? view.peers : []) if (other.plot && other.plot !== u && other.plot.whole && !same(other.plot, u.scales.x)) other.plot.setScale("x", { min, max });
      }],
    } };
  }
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
  // Keys and size of a chart's place on the page, once; `current` gives the plot that is drawn there now.
  function attend(host, current) {
    host.addEventListener("keydown", (event) => {
      const plot = current();
      const actions = { ArrowLeft: () => panBy(plot, -0.15), ArrowRight: () => panBy(plot, 0.15), "+": () => zoomBy(plot, 0.8), "=": () => zoomBy(plot, 0.8), "-": () => zoomBy(plot, 1.25), 0: () => resetZoom(plot) };
      if (plot && actions[event.key]) { event.preventDefault(); actions[event.key](); }
    });
    new ResizeObserver(() => {
      const plot = current();
      if (plot && Math.abs(plot.width - host.clientWidth) > 2 && host.clientWidth > 0) plot.setSize({ width: Math.max(240, host.clientWidth), height: HEIGHT });
    }).observe(host);
  }

  const xLabel = (chart, unit) => chart.byTime || unit === "time" ? `${chart.timeUnit} since the first record` : unit === "step" ? chart.xLabel : unit;
  // Draw a chart over a unit into its place. `view` keeps what its reader chose: {log, hidden, range, plot}.
  function build(host, chart, unit, view) {
    if (view.plot) view.plot.destroy();
    view.plot = null;
    host.textContent = "";
    const tables = chart.lines.map((line) => table(chart, line, unit, view.log));
    if (!tables.some((one) => one.data[0].length)) return;
    const ink = css("--soft"), grid = { stroke: css("--grid"), width: 1 }, two = chart.lines.find((line) => line.axis === "y2");
    const axis = { stroke: ink, grid, ticks: grid, labelSize: 20, values: (u, list) => list.map(short) };
    const points = chart.lines.some((line) => line.y.length > 1);
    const options = {
      width: Math.max(240, host.clientWidth), height: HEIGHT, legend: { show: false }, padding: [12, two ? 0 : 24, 0, 0],
      scales: { x: { time: false }, y: { distr: view.log ? 3 : 1 }, ...(two ? { y2: {} } : {}) },
      axes: [
        { ...axis, label: xLabel(chart, unit), size: 34 },
        { ...axis, label: chart.yLabel, size: 64 },
        ...(two ? [{ ...axis, label: two.name, scale: "y2", side: 1, size: 64, grid: { show: false } }] : []),
      ],
      cursor: { drag: { x: true, y: false }, focus: { prox: 24 }, dataIdx: nearest },
      series: [{}, ...chart.lines.map((line, k) => ({
        label: line.name, scale: line.axis || "y", stroke: colour(line, k), dash: dashOf(line), show: !view.hidden.has(line.name),
        pxAlign: 0, // points at whole pixels would make a straight line wave
        width: line.style === "expected" || line.style === "declared" ? 1.8 : 1.2,
        paths: line.stepped && uPlot.paths.stepped ? uPlot.paths.stepped({ align: 1 }) : undefined,
        points: { show: line.y.length <= 60 && points, size: 4 },
      }))],
      plugins: [zoomPlugin(chart, unit, view), marksPlugin(chart, unit), tipPlugin(chart, tables.map((one) => one.at)), gesturesPlugin()],
    };
    view.plot = new uPlot(options, uPlot.join(tables.map((one) => one.data)), host);
    legend(host, chart, view, () => build(host, chart, unit, view));
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
  function ticked(text, checked, change) {
    const label = document.createElement("label"), tick = document.createElement("input");
    tick.type = "checkbox"; tick.checked = checked;
    tick.addEventListener("change", () => change(tick.checked));
    label.append(tick, document.createTextNode(text));
    return label;
  }
  function legend(host, chart, view, again) {
    const box = host.nextElementSibling, parts = new Map(); // a computed curve has a part a session, and one switch
    box.textContent = "";
    chart.lines.forEach((line, k) => parts.set(line.name, [...(parts.get(line.name) || []), k]));
    for (const [name, numbers] of parts) {
      const line = chart.lines[numbers[0]], swatch = document.createElement("span");
      const label = ticked(name, !view.hidden.has(name), (shown) => {
        shown ? view.hidden.delete(name) : view.hidden.add(name);
        for (const k of numbers) view.plot.setSeries(k + 1, { show: shown });
      });
      swatch.className = "swatch " + line.style; swatch.style.color = colour(line, numbers[0]);
      if (dashOf(line).length) swatch.style.borderTopStyle = dashOf(line)[0] > 4 ? "dashed" : "dotted";
      label.insertBefore(swatch, label.lastChild);
      box.append(label);
    }
    box.append(ticked("log axis", view.log, (log) => { view.log = log; again(); }));
  }

  return { curvesOf, forget, build, attend, resetZoom, wholeOf, fetched: (first) => { fetchFirst = first; } };
})();
