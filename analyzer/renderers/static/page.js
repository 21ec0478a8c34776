"use strict";
// The page around the curves: table of runs, filters, sections that draw when they are seen, runs laid over each other.
globalThis.analyzerPage = (() => {
  const { curvesOf, forget, build, attend, resetZoom, wholeOf } = analyzerCharts;
  const root = document.documentElement, byId = (id) => document.getElementById(id);
  root.classList.add("scripted");
  const drawn = new Map(); // run anchor -> what its reader sees
  const DRAWN_AHEAD = 10; // runs; the numbers of the other open ones are unpacked, and drawn when they are seen or printed
  const UNITS = { updates: "updates", samples: "samples", tokens: "tokens", epoch: "epochs", time: "time" };
  const option = (select, value, text, off = "") => {
    const one = document.createElement("option");
    one.value = value; one.textContent = off ? `${text} (${off})` : text; one.disabled = Boolean(off);
    select.append(one);
  };

  // ---- light and dark ----------------------------------------------------------------------------------------------
  const prefersDark = matchMedia("(prefers-color-scheme: dark)");
  const setTheme = (theme) => { root.dataset.theme = theme; redrawAll(); };
  function redrawAll() { for (const anchor of drawn.keys()) draw(anchor); overlay(); }

  // ---- one run -----------------------------------------------------------------------------------------------------
  // Another tag lies over the first chart, on an axis of its own.
  function laidOver(run, chart, tag) {
    const other = run.tags.find((one) => one.name === tag);
    if (!other) return chart;
    return { ...chart, lines: [...chart.lines, ...other.lines.map((line) => ({ ...line, axis: "y2", name: tag, colour: 3, style: "observed" }))] };
  }
  const opening = new Set(), kept = new Map(); // what was chosen in a section that another has replaced
  async function draw(anchor) {
    const holder = document.querySelector(`.charts[data-run="${anchor}"]`);
    if (!holder) return;
    if (!drawn.has(anchor)) {
      if (opening.has(anchor)) return;
      opening.add(anchor);
      const run = await curvesOf(anchor);
      opening.delete(anchor);
      if (!run || !holder.isConnected) return;
      const old = kept.get(anchor) || { views: [] }, unit = ["step", "time", ...run.units].includes(old.unit) ? old.unit : "step";
      const views = run.charts.map((chart, k) => ({ log: old.views[k] ? old.views[k].log : chart.log, hidden: old.views[k] ? old.views[k].hidden : new Set() }));
      const state = { run, unit, laid: old.laid || "", views };
      drawn.set(anchor, state);
      const bar = document.querySelector(`.toolbar[data-run="${anchor}"]`), axis = bar.querySelector(".axis"), laid = bar.querySelector(".laid");
      const onStep = run.charts.filter((chart) => !chart.byTime);
      for (const unit of ["step", ...run.units, ...(onStep.length && onStep.every((chart) => chart.timed) ? ["time"] : [])]) option(axis, unit, unit);
      option(laid, "", "nothing");
      for (const tag of run.tags) option(laid, tag.name, tag.name);
      axis.value = state.unit; laid.value = state.laid;
      axis.addEventListener("change", () => { state.unit = axis.value; draw(anchor); });
      laid.addEventListener("change", () => { state.laid = laid.value; draw(anchor); });
      bar.querySelector(".reset").addEventListener("click", () => state.views.forEach((view) => view.plot && resetZoom(view.plot)));
      holder.querySelectorAll(".chart").forEach((host, number) => attend(host, () => state.views[number].plot));
    }
    const { run, unit, laid, views } = drawn.get(anchor);
    const whole = wholeOf(run.charts, unit);
    for (const view of views) { view.whole = whole; view.peers = views; }
    holder.querySelectorAll(".chart").forEach((host, number) => build(host, number ? run.charts[number] : laidOver(run, run.charts[0], laid), unit, views[number]));
  }
  // Runs are drawn when they come into view: a folder of hundreds of runs opens at once.
  const watcher = new IntersectionObserver((entries) => {
    for (const entry of entries) if (entry.isIntersecting && !drawn.has(entry.target.dataset.run)) draw(entry.target.dataset.run);
  }, { rootMargin: "300px" });
  // A section that is new on the page, or has taken the place of an older one.
  function adopt(section) {
    if (drawn.has(section.id)) kept.set(section.id, drawn.get(section.id));
    drawn.delete(section.id); forget(section.id);
    section.querySelectorAll(".charts").forEach((holder) => watcher.observe(holder));
  }

  // ---- runs over each other ----------------------------------------------------------------------------------------
  const ROLES = { loss: "training loss", validation_loss: "validation loss", learning_rate: "learning rate", grad_norm: "gradient norm", epoch: "epoch" };
  const ROLE = "\u0000", both = { view: { log: false, hidden: new Set() } };
  const chosen = () => [...document.querySelectorAll("#index input.lay:checked")].map((tick) => tick.value);
  const tagOf = (run, name) => run.tags.find((one) => one.name === (name.startsWith(ROLE) ? run.roles[name.slice(1)] : name));
  function keep(select, entries) { // entries: [value, text, off]
    const before = select.value;
    select.textContent = "";
    for (const entry of entries) option(select, ...entry);
    const there = entries.filter(([, , off]) => !off).map(([value]) => value);
    if (there.length) select.value = there.includes(before) ? before : there[0];
  }
  async function overlay() {
    const panel = byId("overlay");
    if (!panel) return;
    const anchors = chosen(), runs = [];
    panel.hidden = !anchors.length;
    for (const anchor of anchors) {
      const run = await curvesOf(anchor);
      if (run) runs.push({ run, name: document.querySelector(`#index input.lay[value="${anchor}"]`).dataset.name });
    }
    if (!runs.length) return;
    const named = new Map();
    for (const { run } of runs) for (const tag of run.tags) named.set(tag.name, (named.get(tag.name) || 0) + 1);
    const roles = Object.entries(ROLES).filter(([role]) => runs.some(({ run }) => tagOf(run, ROLE + role))); // whatever each run calls it
    keep(byId("overlay-tag"), [...roles.map(([role, text]) => {
      const without = runs.find(({ run }) => !tagOf(run, ROLE + role));
      return [ROLE + role, text, without ? `${without.name} has none` : ""];
    }),
      ...[...named].sort().map(([tag, count]) => [tag, tag, count < runs.length ? `in ${count} of ${runs.length}` : ""])]);
    const tag = byId("overlay-tag").value;
    const lines = runs.flatMap(({ run, name }, colour) => ((tagOf(run, tag) || { lines: [] }).lines).map((line) => ({ ...line, name, colour, style: "observed", stepped: line.stepped })));
    if (!lines.length) return;
    const missing = (unit) => {
      const without = runs.find(({ run }) => unit === "time" ? !(tagOf(run, tag) || { lines: [] }).lines.every((line) => line.x.time) : unit !== "step" && !run.scales[unit]);
      return without ? `${without.name}: ${without.run.without[unit] || "the log has no times"}` : "";
    };
    keep(byId("overlay-axis"), [...Object.entries(UNITS).map(([unit, text]) => [unit, text, missing(unit)]), ["step", "steps as logged"]]);
    const longest = lines.reduce((one, two) => (two.run.timeSeconds > one.run.timeSeconds ? two : one)).run;
    const chart = { lines, marks: [], joins: [], byTime: false, xLabel: "step", yLabel: tag.startsWith(ROLE) ? ROLES[tag.slice(1)] : tag, timeUnit: longest.timeUnit, timeSeconds: longest.timeSeconds };
    build(panel.querySelector(".chart"), chart, byId("overlay-axis").value, both.view);
  }

  // ---- table of runs -----------------------------------------------------------------------------------------------
  function sortable(index) {
    const body = index.tBodies[0];
    index.querySelectorAll("th button").forEach((button) => button.addEventListener("click", () => {
      const head = button.closest("th"), column = [...head.parentElement.children].indexOf(head);
      const down = head.getAttribute("aria-sort") !== "descending";
      index.querySelectorAll("th").forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const key = (row) => {
        const cell = row.cells[column], ranked = cell.querySelector("[data-rank]"), text = cell.textContent.trim();
        if (ranked) return Number(ranked.dataset.rank);
        if (button.dataset.sort === "number") return text === "" ? -Infinity : Number(text);
        return text !== "" && Number.isFinite(Number(text)) ? Number(text) : text.toLowerCase();
      };
      const less = (p, q) => typeof p !== typeof q ? (typeof p === "number" ? -1 : 1) : p < q ? -1 : p > q ? 1 : 0;
      body.append(...[...body.rows].sort((a, b) => less(key(a), key(b)) * (down ? -1 : 1)));
    }));
  }
  let allowed = () => true; // anchor of a run -> whether it is shown: what a host around this page has selected
  function restrict(test) {
    allowed = test;
    if (byId("index")) filtered();
  }
  function filtered() {
    const index = byId("index"), words = byId("filter").value.toLowerCase().split(/\s+/).filter(Boolean), rule = byId("rule").value;
    let count = 0;
    for (const row of index.tBodies[0].rows) {
      const anchor = row.querySelector("a").hash.slice(1), section = byId(anchor), codes = (row.dataset.codes || "").split(" ");
      const fits = allowed(anchor) && (!rule || codes.includes(rule)) && words.every((word) => (row.textContent + " " + row.dataset.codes).toLowerCase().includes(word));
      row.hidden = !fits;
      count += fits;
      if (!section) continue;
      section.hidden = !fits;
      for (const finding of section.querySelectorAll("article.finding")) finding.hidden = Boolean(rule) && finding.dataset.code !== rule;
    }
    byId("shown").textContent = count < index.tBodies[0].rows.length || words.length || rule ? `${count} of ${index.tBodies[0].rows.length} runs` : "";
  }
  function tabled() { // the table is new on the page
    const index = byId("index");
    if (!index) return;
    sortable(index);
    byId("filter").addEventListener("input", filtered);
    byId("rule").addEventListener("change", filtered);
    index.addEventListener("change", (event) => { if (event.target.matches("input.lay")) overlay(); });
    for (const id of ["overlay-tag", "overlay-axis"]) byId(id).addEventListener("change", overlay);
    byId("overlay-reset").addEventListener("click", () => both.view.plot && resetZoom(both.view.plot));
    byId("overlay-none").addEventListener("click", () => { index.querySelectorAll("input.lay:checked").forEach((tick) => { tick.checked = false; }); overlay(); });
    both.view = { log: false, hidden: new Set() };
    attend(document.querySelector("#overlay .chart"), () => both.view.plot);
  }

  // ---- whole page --------------------------------------------------------------------------------------------------
  // A link inside the page opens what it leads to; it never leaves the document, whatever its base address is.
  function goTo(id) {
    const target = id && byId(id);
    if (!target) return;
    const box = target.matches("details") ? target : target.querySelector("details");
    if (box) box.open = true;
    for (let outer = target.parentElement; outer; outer = outer.parentElement) if (outer.matches("details")) outer.open = true;
    target.scrollIntoView();
  }
  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[href^='#']");
    if (!link) return;
    event.preventDefault();
    const id = link.getAttribute("href").slice(1);
    if (location.protocol === "file:" && location.hash !== "#" + id) history.pushState(null, "", "#" + id);
    goTo(id);
  });
  addEventListener("hashchange", () => goTo(location.hash.slice(1)));
  let before = null; // paper is white, and shows what a click in the open sections would show
  addEventListener("beforeprint", () => {
    before = { theme: root.dataset.theme, closed: [...document.querySelectorAll("section.run > details[open] details:not([open]), details.card:not([open])")] };
    before.closed.forEach((box) => { box.open = true; });
    if (before.theme === "dark") setTheme("light");
    for (const holder of openCharts()) if (!drawn.has(holder.dataset.run)) draw(holder.dataset.run);
  });
  addEventListener("afterprint", () => {
    if (!before) return;
    before.closed.forEach((box) => { box.open = false; });
    if (before.theme === "dark") setTheme("dark");
    before = null;
  });
  function start(laid = false) { // laid: all runs over each other
    const button = byId("theme");
    if (button) button.addEventListener("click", () => setTheme(root.dataset.theme === "dark" ? "light" : "dark"));
    prefersDark.addEventListener("change", (event) => setTheme(event.matches ? "dark" : "light"));
    root.dataset.theme = root.dataset.theme || (prefersDark.matches ? "dark" : "light");
    tabled();
    document.querySelectorAll("section.run").forEach(adopt);
    if (laid) { document.querySelectorAll("#index input.lay:enabled").forEach((tick) => { tick.checked = true; }); overlay(); }
    goTo(location.hash.slice(1));
    if (globalThis.requestIdleCallback) requestIdleCallback(drawOpen);
  }
  const openCharts = () => [...document.querySelectorAll("section.run > details[open] .charts")];
  // Open runs are drawn before they come into view as well, the first few: paper shows them all.
  async function drawOpen() {
    for (const [place, holder] of openCharts().entries()) {
      if (drawn.has(holder.dataset.run)) continue;
      await (place < DRAWN_AHEAD ? draw(holder.dataset.run) : curvesOf(holder.dataset.run));
    }
  }
  return { start, adopt, tabled, filtered, restrict, goTo, setTheme };
})();
