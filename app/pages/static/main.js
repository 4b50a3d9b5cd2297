// The page: reads the catalog, keeps its state in the URL, and shows what the state names.

import { ApiFailure, canBeSent, readPages, readReadiness } from "./api.js";
import { Catalog } from "./catalog.js";
import { $, announce, h } from "./dom.js";
import { FilterBar } from "./filter_bar.js";
import { countFilters, matchingRows, readState, writeState } from "./filters.js";
import { drawFreshness } from "./freshness.js";
import { formatAge, formatCount, formatMoment, formatTime } from "./format.js";
import { ModelSheet } from "./model.js";
import { ModelTable, drawLegend } from "./table.js";
import { find, t, tCount } from "./texts.js";
import { drawTimeline } from "./timeline.js";

const KEY = "catalog-key";
const REFRESH_MS = 60_000;
const RETRY_MS = [5_000, 10_000, 20_000, 40_000, 60_000];
const REDRAW_MS = 500;
const MAX_RETRY_S = 120;
const { searchUrl, readinessUrl } = document.body.dataset;

let state = readState(location.search);
let key = sessionStorage.getItem(KEY);
let pages = [];
let catalog = null;
let isWhole = false;
let isReading = false;
let isAsking = false;
let rows = [];
let rowsOf = null;
let shownVersion = null;
let timelineOfRows = null;
let generationOfData = 0;
let readAt = null;
let ageSeconds = NaN;
let readiness = null;
let readinessAt = null;
let failure = null;
let failingSince = null;
let attempts = 0;
let nextAt = 0;
let timer = 0;
// A reading that a new key or "Forget key" has overtaken must show nothing any more.
let generation = 0;

const hrefOf = (change) => writeState({ ...state, ...change }) || "?";
const table = new ModelTable($("scroller"), { hrefOf: (id) => hrefOf({ model: id, at: null }), open: (id) => setState({ model: id, at: null }, { isStep: true }), change: setState });
const filterBar = new FilterBar(setState);
const sheet = new ModelSheet($("model"), setState);

// --- state ---

/** Change the state; `isStep` makes it a step of the browser's history. */
function setState(change, { isStep = false } = {}) {
  state = { ...state, ...change };
  const url = location.pathname + writeState(state);
  if (isStep) history.pushState(null, "", url);
  else history.replaceState(null, "", url);
  show();
}

addEventListener("popstate", () => {
  state = readState(location.search);
  show();
});

// --- showing ---

function show() {
  const hasCatalog = catalog !== null;
  $("key-view").hidden = !isAsking || state.view === "freshness";
  $("loading-view").hidden = hasCatalog || isAsking || state.view === "freshness";
  $("filters").hidden = !hasCatalog || isAsking || state.view === "freshness";
  $("models-view").hidden = !hasCatalog || isAsking || state.view !== "models";
  $("lifecycle-view").hidden = !hasCatalog || isAsking || state.view !== "lifecycle";
  $("freshness-view").hidden = state.view !== "freshness";
  $("forget").hidden = !key || isAsking;
  for (const link of document.querySelectorAll("nav [data-view]")) {
    link.setAttribute("href", hrefOf({ view: link.dataset.view, model: null, at: null }));
    if (link.dataset.view === state.view) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  if (hasCatalog) showRows();
  if (state.view === "freshness") showFreshness();
  sheet.update(catalog, isAsking ? { ...state, model: null } : state, isWhole);
  document.title = sheet.shown ? `${$("model-name").textContent} - ${t("title")}` : t("title");
  showAge();
}

/** Everything that the rows depend on but the view, the model and the place. */
const filterKey = () => writeState({ ...state, view: "models", model: null, at: null, fold: null });

function showRows() {
  const version = `${filterKey()} ${state.fold?.join() ?? "auto"} ${catalog.rows.length} ${generationOfData}`;
  if (version !== shownVersion) {
    const isOther = rowsOf !== filterKey();
    rows = matchingRows(catalog, state);
    rowsOf = filterKey();
    shownVersion = version;
    filterBar.update(state);
    table.show(catalog, rows, state, { toTop: isOther, version: generationOfData });
    showMatches();
    timelineOfRows = null;
  } else table.draw();
  if (state.view === "lifecycle" && timelineOfRows !== rows) {
    timelineOfRows = rows;
    drawTimeline($("timeline"), rows, { now: Date.now(), link: modelLink });
  }
}
function showMatches() {
  const count = tCount("matches", rows.length).replace("{total}", formatCount(catalog.rows.length));
  const none = catalog.isEmpty ? t("matches.empty") : `${t("matches.none")} ${t("matches.none_hint")}`;
  const part = isWhole || !pages.length ? "" : ` · ${t("status.loading_part", { count: formatCount(entryCount()), total: formatCount(pages[0].body.total ?? entryCount()) })}`;
  $("matches").textContent = (rows.length ? count : none) + part;
}

const entryCount = () => pages.reduce((sum, page) => sum + page.body.data.length, 0);

function modelLink(row) {
  return h("a", { href: hrefOf({ model: row.id, at: null }), onclick: (event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    setState({ model: row.id, at: null }, { isStep: true });
  } }, row.name);
}

function showFreshness() {
  drawFreshness($("freshness"), readiness, { now: Date.now(), checkedAt: readinessAt, ageSeconds });
}

function showAge() {
  const place = $("age");
  place.hidden = catalog === null;
  if (place.hidden) return;
  const seconds = ageSeconds + (Date.now() - readAt) / 1000;
  const regions = Array.isArray(readiness?.regions) ? readiness.regions : [];
  const values = { age: formatAge(seconds), count: regions.length, fresh: regions.filter((region) => region?.state === "fresh").length };
  place.textContent = Number.isFinite(seconds) ? t(regions.length ? "status.age_regions" : "status.age", values) : t("status.unknown_age");
  place.className = `age state ${failure || (regions.length && values.fresh < values.count) || readiness?.status === "stale" ? "poor" : "good"}`;
}

// --- reading ---

async function read() {
  clearTimeout(timer);
  if (isReading) return;
  isReading = true;
  const mine = generation;
  const ready = readReadiness(readinessUrl).then((value) => {
    if (mine !== generation) return;
    if (value !== null) [readiness, readinessAt] = [value, Date.now()];
    if (state.view === "freshness") showFreshness();
  });
  try {
    await (catalog === null || !isWhole ? readFirst(mine) : readAgain(mine));
    await ready;
    if (mine === generation) succeeded();
  } catch (error) {
    if (!(error instanceof ApiFailure)) throw error;
    await ready;
    if (mine === generation) failed(error);
  } finally {
    if (mine === generation) isReading = false;
  }
}

/** Read the catalog for the first time: each page is shown as it arrives. */
async function readFirst(mine) {
  const fresh = new Catalog();
  const read = [];
  let drawnAt = 0;
  for await (const page of readPages(searchUrl, key)) {
    if (mine !== generation) return;
    read.push(page);
    fresh.add(entriesOf(page));
    if (read.length === 1) {
      [ageSeconds, readAt] = [page.ageSeconds, Date.now()];
      hideKeyForm();
    }
    if (!page.body.has_more) fresh.complete();
    // Drawing each of many pages would take longer than reading them. A reading that starts anew replaces what is shown
    // only once it has more to show.
    const isDue = read.length === 1 || !page.body.has_more || Date.now() - drawnAt >= REDRAW_MS;
    if (isDue && (!catalog || catalog === fresh || fresh.rows.length >= catalog.rows.length || !page.body.has_more)) {
      [catalog, pages, isWhole, drawnAt] = [fresh, read, !page.body.has_more, Date.now()];
      generationOfData += 1;
      filterBar.offer(catalog, state);
      if (isWhole || read.length === 1) drawLegend(catalog);
      show();
    }
  }
}

/** Read it again, a 304 a page where nothing has changed; what is shown is replaced at once. */
async function readAgain(mine) {
  const read = [];
  for await (const page of readPages(searchUrl, key, pages)) read.push(page);
  if (mine !== generation) return;
  [ageSeconds, readAt] = [read[0].ageSeconds, Date.now()];
  const isSame = read.length === pages.length && read.every((page) => page.isSame);
  pages = read;
  if (isSame) return;
  const fresh = new Catalog();
  for (const page of read) fresh.add(entriesOf(page));
  fresh.complete();
  catalog = fresh;
  generationOfData += 1;
  filterBar.offer(catalog, state);
  drawLegend(catalog);
  announce(t("status.changed"));
}

function entriesOf(page) {
  if (!Array.isArray(page.body?.data)) throw new ApiFailure("network");
  return page.body.data;
}

function succeeded() {
  const wasFailing = failure !== null;
  [failure, failingSince, attempts] = [null, null, 0];
  $("banner").hidden = true;
  if (wasFailing) announce(t("status.back"));
  show();
  schedule(REFRESH_MS);
  prepareOrders(catalog, Object.keys(find("sorts")));
}

/** Sort in idle moments what a control may ask for next: 15,000 names take longer than a filter may. */
function prepareOrders(of, sorts) {
  if (of !== catalog || !sorts.length || !globalThis.requestIdleCallback) return;
  requestIdleCallback(() => {
    of.sorted(sorts[0]);
    prepareOrders(of, sorts.slice(1));
  });
}

function failed(error) {
  if (error.kind === "key") {
    const text = key === null ? "" : t(catalog === null ? "key.wrong" : "key.revoked");
    forget();
    askForKey(text);
    return;
  }
  failure = error;
  failingSince ??= Date.now();
  const pause = RETRY_MS[Math.min(attempts, RETRY_MS.length - 1)];
  attempts += 1;
  schedule(error.retryAfter === null ? pause : Math.min(Math.max(error.retryAfter, 1), MAX_RETRY_S) * 1000);
  showBanner();
  show();
}

function schedule(ms) {
  clearTimeout(timer);
  nextAt = Date.now() + ms;
  timer = setTimeout(read, ms);
}

function showBanner() {
  if (failure === null) return;
  const time = formatTime(failingSince);
  const parts = [];
  if (failure.kind === "network") parts.push(t("status.network", { time }));
  else if (failure.status === 503 && catalog === null) parts.push(t("status.unavailable"));
  else parts.push(t("status.http", { time, status: failure.status }));
  if (failure.serviceMessage) parts.push(t("status.reason", { message: failure.serviceMessage }));
  if (catalog !== null) parts.push(t("status.kept", { time: formatMoment(readAt) }));
  const text = parts.join(" ");
  const place = $("banner").querySelector("p");
  // The countdown is not for a screen reader: it would speak every second.
  if (place.dataset.text !== text) {
    place.dataset.text = text;
    place.replaceChildren(h("span", {}, text), " ", h("span", { "aria-hidden": "true", id: "countdown" }));
  }
  $("countdown").textContent = t("status.retry", { seconds: Math.max(0, Math.ceil((nextAt - Date.now()) / 1000)) });
  $("banner").hidden = false;
}

// --- the key ---

function askForKey(error) {
  isAsking = true;
  $("key-error").textContent = error;
  $("key").value = "";
  $("key").setAttribute("aria-invalid", String(Boolean(error)));
  $("banner").hidden = true;
  show();
  $("key").focus();
}

function hideKeyForm() {
  if (!isAsking) return;
  isAsking = false;
  $("key").value = "";
  $("content").focus();
}

/** Drop the key and all that it opened. */
function forget() {
  clearTimeout(timer);
  generation += 1;
  sessionStorage.removeItem(KEY);
  [key, catalog, pages, rows, isWhole, isReading, failure, failingSince, attempts, shownVersion] = [null, null, [], [], false, false, null, null, 0, null];
  table.clear();
  for (const id of ["timeline", "sheet"]) $(id).replaceChildren();
}

$("key-form").addEventListener("submit", (event) => {
  event.preventDefault();
  const value = $("key").value.trim();
  if (!value) {
    $("key-error").textContent = t("key.empty");
    return;
  }
  if (!canBeSent(value)) {
    askForKey(t("key.wrong"));
    return;
  }
  generation += 1;
  isReading = false;
  key = value;
  sessionStorage.setItem(KEY, key);
  $("key-error").textContent = "";
  read();
});

$("forget").addEventListener("click", () => {
  forget();
  askForKey("");
  announce(t("key.forgotten"));
});

// --- the rest of the page ---

for (const link of document.querySelectorAll("nav [data-view]")) {
  link.addEventListener("click", (event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    setState({ view: link.dataset.view, model: null, at: null }, { isStep: true });
  });
}
for (const id of ["retry", "check"]) $(id).addEventListener("click", read);

document.addEventListener("visibilitychange", () => {
  if (!document.hidden && Date.now() >= nextAt && !isReading && !isAsking) read();
});

setInterval(() => {
  showAge();
  showBanner();
}, 1000);

let resized = 0;
addEventListener("resize", () => {
  clearTimeout(resized);
  resized = setTimeout(() => {
    [timelineOfRows, shownVersion] = [null, null];
    show();
  }, 150);
});

addEventListener("beforeprint", () => {
  if (catalog === null) return;
  const printed = table.print(true);
  const filters = countFilters(state) ? writeState({ ...state, view: "models", model: null, at: null, fold: null }).slice(1) : t("filters.any");
  const notes = [t("table.printed_at", { time: formatMoment(Date.now()), filters: decodeURIComponent(filters.replaceAll("+", " ")) })];
  if (printed < rows.length) notes.unshift(t("table.printed", { count: printed, total: formatCount(rows.length) }));
  $("print-note").textContent = notes.join(" ");
});
addEventListener("afterprint", () => table.print(false));

show();
read();
