// One model in full, in a sheet beside the table.

import { MANTLE, MARKS, capabilityLeaves } from "./catalog.js";
import { $, announce, h, mark } from "./dom.js";
import { modalityLabel } from "./filter_bar.js";
import { formatCount, formatDay, formatPrice, parseDate } from "./format.js";
import { drawMap } from "./map.js";
import { TOOLS, linesFor } from "./snippets.js";
import { fill, find, t, word } from "./texts.js";

const PRICES = ["input", "output", "cache_read", "cache_write"];

/** A button that copies a text and says so. */
export function copyButton(text, label) {
  const button = h("button", { type: "button", class: "copy", "aria-label": label, onclick: async () => {
    const isCopied = await copy(text, button);
    button.textContent = isCopied ? t("model.copied") : t("model.copy");
    announce(isCopied ? t("model.copied") : t("model.copy_failed"));
    $("copy-note").textContent = isCopied ? "" : t("model.copy_failed");
    setTimeout(() => {
      button.textContent = t("model.copy");
    }, 2000);
  } }, t("model.copy"));
  return button;
}

async function copy(text, button) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    // A page without TLS has no clipboard but this old one.
    const area = h("textarea", { class: "vh", "aria-hidden": "true", tabindex: "-1" });
    area.value = text;
    button.after(area);
    area.select();
    const isCopied = document.execCommand("copy");
    area.remove();
    button.focus();
    return isCopied;
  }
}

/** The ways to call a row, one a region: the id to send, its mark and destinations, the other ids and that for Mantle. */
export function waysOf(catalog, row) {
  const { regions, marks, sets, ids } = catalog.invocationsOf(row);
  const byRegion = new Map();
  regions.forEach((number, i) => {
    const region = catalog.regions[number];
    if (!byRegion.has(region)) byRegion.set(region, []);
    byRegion.get(region).push({ region, id: ids[i], mark: marks[i], destinations: catalog.destinationSets[sets[i]] });
  });
  return [...byRegion.entries()].sort(([a], [b]) => (a < b ? -1 : 1)).map(([region, all]) => {
    const mantle = all.find((way) => way.mark === MANTLE) ?? null;
    const ways = all.filter((way) => way !== mantle);
    if (!ways.length) return { ...mantle, others: [], mantleId: null };
    const chosen = row.entry.invoke?.[region] ?? null;
    // The service decides which id to send (CATALOG_INVOKE_ORDER); without its word none is recommended.
    const first = ways.find((way) => way.id !== null && way.id === chosen) ?? { ...ways[0], id: chosen };
    return { ...first, others: ways.map((way) => way.id).filter((id) => id !== null && id !== first.id), mantleId: mantle?.id ?? null };
  });
}

export class ModelSheet {
  /** `change(part)` is called with a change of the state. */
  constructor(dialog, change) {
    this.dialog = dialog;
    this.sheet = $("sheet");
    this.change = change;
    this.tool = "curl";
    this.shown = null;
    dialog.addEventListener("cancel", (event) => {
      event.preventDefault();
      this.close();
    });
    dialog.addEventListener("click", (event) => {
      if (event.target === dialog) this.close();
    });
  }

  close() {
    this.change({ model: null, at: null }, { isStep: true });
  }

  /** Show what the state names; `isWhole` is whether every page of the catalog has been read. */
  update(catalog, state, isWhole) {
    if (!state.model || state.view === "freshness") {
      this.shown = null;
      if (this.dialog.open) this.dialog.close();
      return;
    }
    const row = catalog?.find(state.model) ?? null;
    const isSame = row !== null && this.shown?.entry === row.entry && this.shown.at === state.at && this.shown.count === row.profiles.size;
    if (isSame && this.dialog.open) return;
    const focus = this.dialog.contains(document.activeElement) ? document.activeElement.id : "";
    const { scrollTop } = this.sheet;
    const isOther = this.shown?.id !== state.model;
    this.sheet.replaceChildren(...(row ? this._content(catalog, row, state) : this._missing(isWhole)));
    if (!this.dialog.open) this.dialog.showModal();
    this.sheet.scrollTop = isOther ? 0 : scrollTop;
    (focus ? $(focus) : $("close-model"))?.focus();
    this.shown = row && { id: state.model, entry: row.entry, at: state.at, count: row.profiles.size };
  }

  _head(name, ...more) {
    return h("header", {}, h("div", {}, h("h2", { id: "model-name" }, name), ...more),
      h("button", { type: "button", class: "quiet", id: "close-model", onclick: () => this.close() }, t("model.close")));
  }

  _missing(isWhole) {
    return [this._head(t("title")), h("p", { class: "notice" }, t(isWhole ? "model.gone" : "model.loading"))];
  }

  _content(catalog, row, state) {
    const ways = waysOf(catalog, row);
    const callable = ways.filter((way) => way.id !== null && way.mark !== MANTLE);
    const way = callable.find((one) => one.region === state.at) ?? callable[0] ?? null;
    return [
      this._head(row.name, h("p", { class: "id-line" }, h("code", {}, row.id), copyButton(row.id, t("model.copy_id", { id: row.id })),
        h("span", { class: `badge ${row.lifecycle}` }, word("lifecycles", row.lifecycle)))),
      h("p", { class: "error", id: "copy-note" }),
      h("div", { class: "columns" },
        h("section", {}, h("h3", {}, t("model.facts")), this._facts(row)),
        h("section", {}, h("h3", {}, t("model.prices")), ...prices(row.entry.card), h("h3", {}, t("model.capabilities")), capabilities(row.entry.capabilities))),
      h("section", {}, h("h3", {}, t("model.where")), this._where(row, ways, way)),
      way && h("section", {}, h("h3", {}, t("model.lines")), this._lines(catalog, row, callable, way)),
      sources(row.entry.card),
    ].filter(Boolean);
  }

  _facts(row) {
    const { entry } = row;
    const date = (ms) => (ms === null ? null : formatDay(ms));
    const tokens = (count) => (count === null ? null : t("model.tokens", { count: formatCount(count) }));
    const words = (way) => row.modalities.filter((one) => one.startsWith(way)).map((one) => modalityLabel(one).replace(/ (in|out)$/, "")).join(", ") || null;
    const isLegacyAhead = row.deprecated !== null && row.deprecated > Date.now();
    const facts = [
      ["maker", row.provider],
      ["kind", word("model.kinds", entry.kind ?? "model")],
      ["line", entry.line ?? undefined],
      ["context", tokens(row.context)],
      ["output", tokens(row.output)],
      ["input", words("in:")],
      ["produces", words("out:")],
      ["streaming", typeof entry.streaming === "boolean" ? t(entry.streaming ? "model.yes" : "model.no") : null],
      ["created", date(row.created)],
      [isLegacyAhead ? "deprecated_future" : "deprecated", date(row.deprecated) ?? undefined],
      ["retires", date(row.retires) ?? t("model.none_scheduled")],
      ["aliases", row.aliases.join(", ") || undefined],
      ["status", entry.status ?? undefined],
      ["base_model", entry.base_model_id],
      ["access", accessLabel(entry.access)],
      ["projects", Object.entries(entry.projects ?? {}).map(([region, project]) => `${project} (${region})`).join(", ") || undefined],
      ["retention", entry.data_retention?.allowed_modes?.join(", ")],
    ];
    return h("dl", {}, facts.filter(([, value]) => value !== undefined).map(([name, value]) =>
      h("div", {}, h("dt", {}, t(`model.${name}`)), h("dd", { class: value === null ? "muted" : null }, value ?? t("model.unknown")))));
  }

  _where(row, ways, current) {
    const hasProject = Object.keys(row.entry.projects ?? {}).length > 0;
    if (!ways.length) return h("p", { class: "muted" }, t(hasProject ? "model.where_project" : "model.where_none"));
    const rows = ways.map((way) => h("tr", { class: way === current ? "current" : null },
      h("th", { scope: "row" }, way.region),
      h("td", {}, mark(MARKS[way.mark]), " ", wayLabel(way)),
      h("td", {}, way.id === null ? h("span", { class: "muted" }, t("model.no_id")) : h("span", { class: "send" }, h("code", {}, way.id), copyButton(way.id, t("model.copy_id", { id: way.id }))),
        way.others.length > 0 && h("p", { class: "muted small" }, t("model.also", { ids: way.others.join(", ") })),
        way.mantleId !== null && h("p", { class: "muted small" }, t("model.mantle", { id: way.mantleId }))),
      h("td", { class: "destinations" }, destinationsLabel(way))));
    return h("div", { class: "wide where", role: "region", tabindex: "0", "aria-label": t("model.where") }, h("table", { class: "plain" },
      h("thead", {}, h("tr", {}, ["region", "way", "send", "processed"].map((name) => h("th", { scope: "col" }, t(`model.${name}`))))), h("tbody", {}, rows)));
  }

  _lines(catalog, row, callable, way) {
    const select = h("select", { id: "lines-region", onchange: () => this.change({ at: select.value }) }, callable.map((one) => h("option", { value: one.region, selected: one === way }, one.region)));
    const output = h("div", { class: "lines" });
    const draw = () => {
      const { text, note } = linesFor(this.tool, { row, region: way.region, id: way.id });
      const label = t("model.lines_label", { tool: word("model.tools", this.tool) });
      output.replaceChildren(...[
        text !== null && h("pre", { tabindex: "0", role: "region", "aria-label": label }, h("code", {}, text)),
        text !== null && copyButton(text, `${t("model.copy")}: ${label}`),
        note && h("p", { class: "muted small" }, note),
      ].filter(Boolean));
    };
    const tools = h("fieldset", { class: "tools" }, h("legend", { class: "vh" }, t("model.lines")), TOOLS.map((tool) => h("label", {},
      h("input", { type: "radio", name: "tool", value: tool, checked: tool === this.tool, onchange: () => {
        this.tool = tool;
        draw();
      } }), h("span", {}, word("model.tools", tool)))));
    draw();
    const destinations = way.destinations ?? [];
    return [
      h("div", { class: "choose" }, h("label", { for: "lines-region" }, t("model.lines_region")), select, tools),
      output,
      h("p", { class: "muted small" }, t("model.lines_note")),
      destinations.length > 0 && [
        h("h3", {}, t("model.map")),
        h("div", { class: "wide", role: "region", tabindex: "0", "aria-label": t("model.map") }, drawMap(catalog.regions, { from: way.region, destinations })),
        h("p", { class: "muted small map-key" }, h("span", { class: "key from" }, t("model.map_from")), h("span", { class: "key used" }, t("model.map_processed")),
          h("span", { class: "key other" }, t("model.map_other")), h("span", {}, t("model.map_hint"))),
      ],
    ];
  }
}

/** What AWS reports of the account's access; undefined where the service does not ask, null where it did not yet. */
function accessLabel(access) {
  if (!access) return access;
  const values = { state: word("model.access_states", access.state), date: formatDay(parseDate(access.checked_at)) };
  return t(access.reason ? "model.access_reason" : "model.access_report", { ...values, reason: access.reason });
}

function wayLabel(way) {
  const kind = MARKS[way.mark];
  const geography = (way.id ?? "").split(".", 1)[0];
  return fill(find("model.ways")[kind], { geography });
}

function destinationsLabel({ region, destinations }) {
  if (!destinations?.length) return t("model.unknown");
  if (destinations.includes("global")) return t("model.processed_global");
  return destinations.length === 1 && destinations[0] === region ? t("model.processed_here") : destinations.join(", ");
}

function prices(card) {
  const table = card?.prices;
  if (!table || typeof table !== "object") return [h("p", { class: "muted" }, t("model.no_price"))];
  const known = PRICES.filter((name) => [table, ...Object.values(table.regions ?? {})].some((one) => typeof one?.[name] === "string"));
  const line = (label, values) => h("tr", {}, h("th", { scope: "row" }, label), known.map((name) => h("td", { class: "number" }, typeof values?.[name] === "string" ? formatPrice(values[name]) : t("model.unknown"))));
  const source = (Array.isArray(card.sources) ? card.sources : []).find((one) => one?.fields?.includes?.("prices"));
  return [
    h("div", { class: "wide", role: "region", tabindex: "0", "aria-label": t("model.prices") }, h("table", { class: "plain" },
      h("caption", {}, t("model.per", { currency: table.currency ?? "USD", count: formatCount(table.per ?? 1e6) })),
      h("thead", {}, h("tr", {}, h("td"), known.map((name) => h("th", { scope: "col", class: "number" }, t(`model.price_${name}`))))),
      h("tbody", {}, line(t("model.price_everywhere"), table), Object.entries(table.regions ?? {}).sort(([a], [b]) => (a < b ? -1 : 1)).map(([region, values]) => line(region, values))))),
    h("p", { class: "muted small" }, source ? `${t("model.source", { source: source.source, date: source.as_of })}. ` : "", t("model.not_a_bill")),
  ];
}

function capabilities(tree) {
  const leaves = capabilityLeaves(tree);
  if (!leaves.length) return h("p", { class: "muted" }, t("model.no_capabilities"));
  return h("ul", { class: "capabilities" }, leaves.map(([path, supported]) => h("li", { class: supported ? "yes" : "muted" },
    mark(supported ? "on_demand" : supported === null ? "unknown" : "none"), word("capabilities", path),
    h("span", { class: "vh" }, `: ${t(supported ? "model.yes" : supported === null ? "model.unknown" : "model.no")}`))));
}

function sources(card) {
  const all = (Array.isArray(card?.sources) ? card.sources : []).filter((one) => typeof one?.source === "string");
  if (!all.length) return null;
  return h("section", {}, h("h3", {}, t("model.sources")), h("ul", { class: "sources muted small" }, all.map((one) =>
    h("li", {}, t("model.source_fields", { fields: (one.fields ?? []).join(", "), source: one.source, date: one.as_of ?? t("model.unknown") })))));
}
