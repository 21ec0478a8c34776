// The tab in TensorBoard: the page's own script and style, filled with what the audits of the log directory give.
const SECONDS_BETWEEN_QUESTIONS = 5, SECONDS_WHILE_AUDITING = 1;
const make = (name, text = "", kind = "") => { const one = document.createElement(name); one.textContent = text; if (kind) one.className = kind; return one; };
const byId = (id) => document.getElementById(id);
const asked = async (route) => { const answer = await fetch(route, { cache: "no-store" }); return answer.ok ? answer : null; };
const script = (route) => new Promise((done, failed) => { const one = make("script"); one.src = route; one.onload = done; one.onerror = failed; document.head.append(one); });
function style(route) { const one = make("link"); one.rel = "stylesheet"; one.href = route; document.head.append(one); }

// TensorBoard's own channel for plugins: what stands in its address for this tab, and word that data were reloaded.
function host() {
  const { port1, port2 } = new MessageChannel(), waiting = new Map(), told = new Map();
  let last = 0;
  port1.onmessage = (event) => {
    const { type, id, payload, isReply } = JSON.parse(event.data);
    if (isReply) { if (waiting.has(id)) waiting.get(id)(payload); waiting.delete(id); return; }
    if (told.has(type)) told.get(type)(payload);
    port1.postMessage(JSON.stringify({ type, id, payload: null, error: null, isReply: true }));
  };
  window.parent.postMessage("experimental.bootstrap", "*", [port2]);
  return {
    ask: (type, payload) => new Promise((answer) => { waiting.set(last, answer); port1.postMessage(JSON.stringify({ type, id: last++, payload, error: null, isReply: false })); }),
    when: (type, action) => told.set(type, action),
  };
}

function followTheme() { // TensorBoard marks its body; without that the system decides
  try {
    const body = window.parent.document.body, follow = () => analyzerPage.setTheme(body.classList.contains("dark-mode") ? "dark" : "light");
    new MutationObserver(follow).observe(body, { attributeFilter: ["class"] });
    if (body.classList.contains("dark-mode")) follow();
  } catch { /* another origin */ }
}

const stamps = new Map(); // anchor -> stamp of the section that is shown
let shown = -1, runs = [];
async function section(anchor) {
  const place = byId(anchor), run = runs.find((one) => one.anchor === anchor);
  if (!place || !run || stamps.get(anchor) === run.stamp) return;
  stamps.set(anchor, run.stamp);
  const answer = await asked("./run?anchor=" + encodeURIComponent(anchor));
  if (!answer) { stamps.delete(anchor); return; }
  const holder = make("div");
  holder.innerHTML = await answer.text(); // escaped by the templates; no script runs that comes this way
  const fresh = holder.querySelector("section");
  if (!fresh || !place.isConnected) return;
  const box = place.querySelector("details");
  if (box && place.dataset.filled) fresh.querySelector("details").open = box.open;
  fresh.dataset.filled = "yes";
  place.replaceWith(fresh);
  analyzerPage.adopt(fresh);
  if (byId("index")) analyzerPage.filtered();
}
// Sections are fetched when they come into view: a log directory of hundreds of runs opens at once.
const nearby = new IntersectionObserver((entries) => { for (const entry of entries) if (entry.isIntersecting) section(entry.target.id); }, { rootMargin: "200px" });
function placeholder(run) {
  const place = make("section", "", "run"), box = make("details"), line = make("summary");
  place.id = run.anchor;
  line.append(make("h2", run.name), make("span", run.verdict, "badge " + run.verdict), make("span", run.counts, "soft"));
  box.append(line);
  place.append(box);
  nearby.observe(place);
  return place;
}
async function overview() {
  const answer = await asked("./overview");
  if (!answer) return;
  const before = { filter: byId("filter")?.value || "", rule: byId("rule")?.value || "", laid: [...document.querySelectorAll("#index input.lay:checked")].map((tick) => tick.value) };
  const place = byId("overview"), sections = byId("sections"), top = (one) => one.getBoundingClientRect().top;
  const read = scrollY > 0 ? [...sections.children].find((one) => one.getBoundingClientRect().bottom > 0) : null, at = read ? top(read) : 0;
  place.innerHTML = await answer.text();
  byId("cards-place").replaceChildren(...(byId("cards")?.childNodes || []));
  analyzerPage.tabled();
  for (const old of [...sections.children]) if (!runs.some((run) => run.anchor === old.id)) old.remove();
  runs.forEach((run, number) => { // what stands where it belongs is not moved: moving loses what its reader sees
    const own = byId(run.anchor) || placeholder(run);
    if (sections.children[number] !== own) sections.insertBefore(own, sections.children[number] || null);
  });
  follow(true);
  if (!byId("index")) return;
  byId("filter").value = before.filter; byId("rule").value = before.rule;
  for (const anchor of before.laid) document.querySelector(`#index input.lay[value="${anchor}"]`)?.click();
  analyzerPage.filtered();
  if (read && read.isConnected) scrollBy(0, top(read) - at);
}
function busy() { // what its reader is at work on is not taken away
  const active = document.activeElement;
  return Boolean(active && active.matches("#overview input, #overview select, section select"));
}
let asking = false, again = 0;
async function look() {
  if (asking) return;
  asking = true;
  clearTimeout(again);
  let pause = SECONDS_BETWEEN_QUESTIONS;
  try {
    const answer = document.hidden ? null : await asked("./state");
    if (answer) {
      const state = await answer.json();
      if (state.auditing) pause = SECONDS_WHILE_AUDITING;
      byId("progress").textContent = state.auditing ? `auditing: ${state.done} of ${state.of || "?"} groups of logs` : state.runs.length ? "" : "No training log was found in the log directory.";
      if (state.stamp !== shown && !busy()) {
        shown = state.stamp; runs = state.runs;
        await overview();
        for (const run of runs) if (stamps.has(run.anchor) && !byId(run.anchor)?.matches(":hover")) await section(run.anchor);
      }
    }
  } catch { byId("progress").textContent = "TensorBoard does not answer."; }
  asking = false;
  again = setTimeout(look, pause * 1000);
}

// Parts of the page that are fetched later move what is shown, until its reader takes over.
let keeper = null;
function stayAt(anchor) {
  keeper?.disconnect();
  const own = keeper = new ResizeObserver(() => analyzerPage.goTo(anchor));
  own.observe(document.querySelector("main"));
  for (const kind of ["wheel", "pointerdown", "keydown", "touchstart"]) addEventListener(kind, () => own.disconnect(), { once: true, passive: true });
}
// The same for a link: sections above it that come into view on the way are fetched, and their charts drawn.
function stayAtLinks() {
  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[href^='#run-']");
    if (link) stayAt(link.getAttribute("href").slice(1));
  });
}
// A run that the address names, http://...#analyzer&p.analyzer.run=NAME. TensorBoard's channel tells it only once the
// address has changed; at the beginning it is read from the address itself.
async function chosenInAddress(channel) {
  let wanted = ((await channel.ask("experimental.GetURLPluginData")) || {}).run;
  try { wanted ||= new URLSearchParams(window.parent.location.hash.slice(1)).get("p.analyzer.run"); } catch { /* another origin */ }
  if (!wanted) return;
  for (let tries = 0; tries < 240; tries++) {
    const run = runs.find((one) => one.name === wanted || one.hosts.includes(wanted));
    if (run && byId(run.anchor)) { await section(run.anchor); stayAt(run.anchor); return; }
    await new Promise((done) => setTimeout(done, 500));
  }
}

// What is selected in TensorBoard stands in its address: `runFilter` of Time Series, and `runSelectionState` (the ticks) and
// `regexInput` of the other dashboards. A run that TensorBoard does not know is not hidden by ticks.
const TICKED_BY_DEFAULT = 40; // with more runs, TensorBoard shows only those that somebody has ticked
function selection() {
  const search = new URLSearchParams(window.parent.location.search), hash = new URLSearchParams(window.parent.location.hash.slice(1));
  const patterns = [search.get("runFilter"), hash.get("regexInput")].filter(Boolean), ticks = JSON.parse(atob(hash.get("runSelectionState") || "") || "{}");
  return { patterns: patterns.map((pattern) => new RegExp(pattern, "i")), ticks };
}
function selects({ patterns, ticks }, names, known) {
  const few = known <= TICKED_BY_DEFAULT || !Object.values(ticks).includes(true);
  return patterns.every((pattern) => names.some((name) => pattern.test(name))) && names.some((name) => (name in ticks ? ticks[name] : few));
}
let followed = "", everything = false; // the address that was followed last; whether its reader wants all runs nevertheless
function follow(anew = false) {
  try {
    const { search, hash } = window.parent.location;
    if (!anew && followed === search + hash) return;
    everything &&= followed === search + hash;
    followed = search + hash;
    const now = selection(), known = new Set(runs.flatMap((run) => run.hosts)).size, any = now.patterns.length || Object.keys(now.ticks).length;
    const shown = new Set(runs.filter((run) => everything || !any || selects(now, run.hosts.length ? run.hosts : [run.name], known)).map((run) => run.anchor));
    byId("selected").hidden = shown.size === runs.length;
    analyzerPage.restrict((anchor) => shown.has(anchor));
  } catch { /* another origin, or an address that is no longer TensorBoard's of today: all runs are shown */ }
}

export async function render() {
  document.documentElement.lang = "en";
  style("./uplot.css"); style("./page.css");
  for (const route of ["./uplot.js", "./charts.js", "./page.js"]) await script(route);
  const main = make("main"), top = make("div", "", "toolbar"), spacer = make("span", "", "spacer"), theme = make("button", "Light / dark");
  theme.id = "theme"; theme.type = "button";
  const progress = make("span", "auditing ...", "soft");
  progress.id = "progress"; progress.setAttribute("aria-live", "polite");
  const chosen = make("span", "Only runs that are selected in TensorBoard. ", "soft"), every = make("button", "Show all");
  chosen.id = "selected"; chosen.hidden = true; every.type = "button";
  every.addEventListener("click", () => { everything = true; follow(true); });
  chosen.append(every);
  top.append(progress, chosen, spacer, theme);
  for (const id of ["overview", "sections", "cards-place"]) { const part = make("div"); part.id = id; main.append(part); }
  main.prepend(top);
  document.body.append(main);
  analyzerCharts.fetched(section);
  analyzerPage.start();
  stayAtLinks();
  followTheme();
  const channel = host();
  channel.when("experimental.DataReloaded", look);
  channel.when("experimental.RunsChanged", look);
  try { window.parent.addEventListener("hashchange", () => chosenInAddress(channel)); } catch { /* another origin */ }
  await look();
  setInterval(() => follow(), 500); // TensorBoard changes its address without a word
  await chosenInAddress(channel);
}
