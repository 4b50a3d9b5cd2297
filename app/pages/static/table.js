// The models-by-regions table. Only the rows that are seen, and a few around them, are elements.

import { GROUPS, MARKS, groupOf } from "./catalog.js";
import { $, h, mark } from "./dom.js";
import { invocationFilter, marksOf, patternTest } from "./filters.js";
import { formatDay, formatPrice, formatTokens } from "./format.js";
import { t, word } from "./texts.js";

const OVERSCAN = 4;
const MAX_PRINTED = 72;

const dollars = (text) => (typeof text === "string" ? formatPrice(text) : "");
// In the order of the columns; those of the lowest rank are left out first where the screen is narrow. Widths in rem.
const FACTS = [
  { name: "maker", rank: 6, width: 7, sort: null, text: (row) => row.provider ?? "" },
  { name: "created", rank: 1, width: 7, sort: "created", text: (row) => (row.created === null ? "" : formatDay(row.created)) },
  { name: "context", rank: 2, width: 4.5, sort: "context", text: (row) => (row.context === null ? "" : formatTokens(row.context)) },
  { name: "output", rank: 3, width: 4.5, sort: "output", text: (row) => (row.output === null ? "" : formatTokens(row.output)) },
  { name: "price_input", rank: 4, width: 4.25, sort: "price_input", text: (row) => dollars(row.entry.card?.prices?.input) },
  { name: "price_output", rank: 5, width: 4.25, sort: "price_output", text: (row) => dollars(row.entry.card?.prices?.output) },
];
const MODEL_WIDTH = { wide: 19, narrow: 9.5 };
const FOLDED_WIDTH = 4.25;
const MAX_MODEL_WIDTH = 32;
const SCROLLBAR_WIDTH = 1;
// A group's name needs room even where the group has few regions.
const REGION_WIDTHS = [5, 3, 2];
const REGION_WIDTH = 1.5625;
const MAX_REGION_WIDTH = 2.5;
const NARROW_REM = 45;

export class ModelTable {
  /** `open(id, href)` is called for a model that is chosen, `change(part)` with a change of the state. */
  constructor(scroller, { hrefOf, open, change }) {
    this.scroller = scroller;
    this.hrefOf = hrefOf;
    this.open = open;
    this.change = change;
    this.rows = [];
    this.live = new Map();
    this.activeId = null;
    this.rowHeight = 0;
    this.isPrinting = false;
    this.facts = [];
    this.widths = h("colgroup");
    this.head = h("thead");
    this.body = h("tbody");
    this.table = h("table", {}, this.widths, this.head, this.body);
    this.before = h("tr", { class: "gap", "aria-hidden": "true" }, h("td"));
    this.after = h("tr", { class: "gap", "aria-hidden": "true" }, h("td"));
    scroller.append(this.table);
    let isQueued = false;
    const queue = () => {
      if (isQueued) return;
      isQueued = true;
      requestAnimationFrame(() => {
        isQueued = false;
        this.draw();
      });
    };
    scroller.addEventListener("scroll", queue, { passive: true });
    new ResizeObserver(() => {
      this.rowHeight = 0;
      queue();
    }).observe(scroller);
    this.body.addEventListener("keydown", (event) => this._move(event));
    this.body.addEventListener("click", (event) => this._choose(event));
    this.body.addEventListener("focusin", (event) => this._activate(event));
    this.table.addEventListener("pointerover", (event) => this._point(event));
    this.table.addEventListener("pointerleave", () => this._highlight(-1));
  }

  /** Show rows of a catalog; `version` changes with its content. The place in the list stays but for another list (`toTop`). */
  show(catalog, rows, state, { toTop, version }) {
    this.catalog = catalog;
    this.rows = rows;
    this.state = state;
    this.filter = invocationFilter(catalog, state);
    if (!rows.some((row) => row.id === this.activeId)) this.activeId = rows[0]?.id ?? null;
    const focused = document.activeElement?.closest?.("[data-focus]")?.dataset.focus;
    if (version !== this.version) this.known = FACTS.filter((fact) => catalog.rows.some((row) => fact.text(row)));
    this.version = version;
    this._columns();
    this._drawHead();
    // A row is made anew only where its cells or its model may differ.
    const look = JSON.stringify([version, this.cells.map((cell) => cell.region ?? cell.group.name), this.facts.map((fact) => fact.name), state.region, state.within]);
    if (look !== this.look) {
      for (const row of this.live.values()) row.remove();
      this.live.clear();
    }
    this.look = look;
    if (toTop) this.scroller.scrollTop = 0;
    this.draw();
    if (focused !== undefined) {
      [...this.table.querySelectorAll("[data-focus]")].find((element) => element.dataset.focus === focused)?.focus({ preventScroll: true });
    }
  }

  clear() {
    this.catalog = null;
    this.rows = [];
    this.live.clear();
    for (const part of [this.widths, this.head, this.body]) part.replaceChildren();
  }

  _columns() {
    const shown = this.state.region.length ? patternTest(this.state.region) : () => true;
    const regions = this.catalog.regions.filter(shown).sort();
    const rem = Number.parseFloat(getComputedStyle(document.documentElement).fontSize);
    const room = (this.scroller.clientWidth || innerWidth) / rem - SCROLLBAR_WIDTH;
    const isNarrow = room < NARROW_REM;
    const folded = new Set(this.state.fold ?? (isNarrow ? GROUPS : []));
    this.groups = GROUPS.map((name) => ({
      name, isFolded: folded.has(name), regions: regions.filter((region) => groupOf(region) === name),
    })).filter((group) => group.regions.length);
    for (const group of this.groups) group.numbers = group.regions.map((region) => this.catalog.regionNumber(region));
    this.cells = this.groups.flatMap((group) => (group.isFolded ? [{ group, width: FOLDED_WIDTH }] : group.numbers.map((number, i) => (
      { number, region: group.regions[i], isFirst: i === 0, width: REGION_WIDTHS[group.numbers.length - 1] ?? REGION_WIDTH }))));
    this._fit(isNarrow ? MODEL_WIDTH.narrow : MODEL_WIDTH.wide, room, isNarrow);
    this.template = this._rowTemplate();
  }

  /** Choose the facts that there is room for, and set the columns' widths. */
  _fit(least, room, isNarrow) {
    let left = room - least - this.cells.reduce((sum, cell) => sum + cell.width, 0);
    const chosen = new Set();
    for (const fact of [...this.known].sort((a, b) => a.rank - b.rank)) {
      // The date stays wherever a table scrolls sideways anyhow, but on a telephone.
      if (fact.width > left && (isNarrow || fact.rank > 1)) break;
      chosen.add(fact);
      left -= fact.width;
    }
    this.facts = FACTS.filter((fact) => chosen.has(fact));
    const model = Math.min(MAX_MODEL_WIDTH, least + Math.max(0, left));
    const more = Math.max(0, left - (model - least)) / this.cells.length;
    const cells = this.cells.map(({ width }) => Math.max(width, Math.min(MAX_REGION_WIDTH, width + more)));
    this.widths.replaceChildren(...[model, ...this.facts.map((fact) => fact.width), ...cells].map((width) => {
      const col = h("col");
      col.style.width = `${width}rem`;
      return col;
    }));
  }

  _drawHead() {
    const [by, direction] = this.state.sort.startsWith("-") ? [this.state.sort.slice(1), -1] : [this.state.sort, 1];
    const sortable = (name, sort, label) => {
      const ascending = { name: 1, price_input: 1, price_output: 1 }[sort] ?? -1;
      const order = sort === by ? (ascending * direction > 0 ? "ascending" : "descending") : null;
      const next = sort === by && direction > 0 ? `-${sort}` : sort;
      return h("th", { scope: "col", rowspan: 2, class: name, "aria-sort": order },
        sort === null ? label : h("button", { type: "button", "data-focus": `sort ${sort}`, onclick: () => this.change({ sort: next }) }, label,
          order && h("span", { class: `arrow ${order}`, "aria-hidden": "true" })));
    };
    const groups = this.groups.map((group) => {
      const name = t(`group_names.${group.name}`);
      return h("th", { scope: "colgroup", colspan: group.isFolded ? 1 : group.regions.length, rowspan: group.isFolded ? 2 : 1, class: group.isFolded ? "group folded" : "group" },
        h("button", { type: "button", "aria-expanded": String(!group.isFolded), "aria-label": t("table.group", { short: t(`groups.${group.name}`), name, count: group.regions.length }), "data-focus": `group ${group.name}`,
          onclick: () => this._fold(group) }, h("span", { class: "chevron", "aria-hidden": "true" }), h("span", { class: "text" }, t(`groups.${group.name}`))));
    });
    const regions = this.groups.filter((group) => !group.isFolded).flatMap((group) =>
      group.regions.map((region, i) => h("th", { scope: "col", class: i === 0 ? "region first" : "region" }, h("span", {}, region))));
    this.head.replaceChildren(
      h("tr", {}, sortable("model", "name", t("table.model")), this.facts.map(({ name, sort }) => sortable(`fact ${name}`, sort, t(`table.${name}`))), groups),
      h("tr", {}, regions));
    this.table.setAttribute("aria-rowcount", this.rows.length + 2);
  }

  _fold(group) {
    const folded = new Set(this.groups.filter((one) => one.isFolded).map((one) => one.name));
    if (group.isFolded) folded.delete(group.name);
    else folded.add(group.name);
    this.change({ fold: GROUPS.filter((name) => folded.has(name)) });
  }

  _rowTemplate() {
    return h("tr", {},
      h("th", { scope: "row", class: "model" }, h("div", {}, h("span", { class: "line" }, h("a", { tabindex: "-1" })), h("span", { class: "id" }))),
      this.facts.map(({ name }) => h("td", { class: `fact ${name}` })),
      this.cells.map((cell) => h("td", { class: `cell${cell.group ? " folded first" : cell.isFirst ? " first" : ""}` })));
  }

  _row(row) {
    const tr = this.template.cloneNode(true);
    const cells = tr.children;
    const [line, id] = cells[0].firstChild.children;
    const link = line.firstChild;
    link.textContent = row.name;
    link.href = this.hrefOf(row.id);
    link.dataset.focus = `row ${row.id}`;
    link.dataset.id = row.id;
    id.textContent = row.id;
    if (row.lifecycle !== "active") {
      const label = row.lifecycle === "deprecated" && row.retires !== null ? t("table.ends", { date: formatDay(row.retires) }) : word("lifecycles", row.lifecycle);
      link.after(h("span", { class: `badge ${row.lifecycle}` }, label));
    }
    this.facts.forEach(({ text }, i) => {
      cells[i + 1].textContent = text(row);
    });
    const best = marksOf(this.catalog, row, this.filter);
    this.cells.forEach((cell, i) => this._fillCell(cells[1 + this.facts.length + i], cell, best));
    tr.row = row;
    tr.link = link;
    return tr;
  }

  _fillCell(td, { group, number }, best) {
    if (!group) {
      const kind = MARKS[best[number] ?? 0];
      td.append(mark(kind, t(`marks.${kind}`)));
      return;
    }
    const there = group.numbers.filter((one) => best[one]);
    const kind = MARKS[there.reduce((at, one) => Math.max(at, best[one]), 0)];
    const values = { count: there.length, total: group.numbers.length, mark: t(`marks.${kind}`) };
    td.append(mark(kind, t(there.length ? "table.folded" : "table.folded_none", values)));
    if (there.length) td.append(h("span", { class: "count", "aria-hidden": "true" }, String(there.length)));
  }

  /** Make the rows that are seen elements, and drop those that are not. */
  draw() {
    if (!this.catalog || (!this.isPrinting && this.scroller.clientHeight === 0)) return;
    if (!this.rowHeight) this.rowHeight = this._measure();
    const total = this.rows.length;
    let [first, last] = [0, Math.min(total, MAX_PRINTED)];
    if (!this.isPrinting) {
      const top = Math.floor(this.scroller.scrollTop / this.rowHeight);
      first = Math.max(0, Math.min(top - OVERSCAN, total - 1));
      last = Math.min(total, top + Math.ceil(this.scroller.clientHeight / this.rowHeight) + OVERSCAN);
    }
    const seen = new Set();
    for (let i = first; i < last; i += 1) seen.add(this.rows[i].id);
    for (const [id, tr] of this.live) {
      if (seen.has(id)) continue;
      if (tr.contains(document.activeElement)) this.scroller.focus({ preventScroll: true });
      tr.remove();
      this.live.delete(id);
    }
    if (this.before.parentNode !== this.body) this.body.replaceChildren(this.before, this.after);
    let at = this.before.nextSibling;
    for (let i = first; i < last; i += 1) {
      const row = this.rows[i];
      let tr = this.live.get(row.id);
      if (!tr) {
        tr = this._row(row);
        this.live.set(row.id, tr);
      }
      tr.setAttribute("aria-rowindex", i + 3);
      tr.link.tabIndex = row.id === this.activeId ? 0 : -1;
      if (tr === at) at = at.nextSibling;
      else this.body.insertBefore(tr, at);
    }
    this.before.firstChild.style.height = `${first * this.rowHeight}px`;
    this.after.firstChild.style.height = this.isPrinting ? "0" : `${Math.max(0, total - last) * this.rowHeight}px`;
  }

  _measure() {
    const probe = this.live.values().next().value ?? (this.rows.length ? this._row(this.rows[0]) : null);
    if (!probe) return 1;
    if (!probe.parentNode) this.body.prepend(probe);
    const { height } = probe.getBoundingClientRect();
    if (!this.live.has(probe.row.id)) probe.remove();
    return height || 1;
  }

  print(isPrinting) {
    this.isPrinting = isPrinting;
    this.rowHeight = 0;
    this.draw();
    return Math.min(this.rows.length, MAX_PRINTED);
  }

  _choose(event) {
    const link = event.target.closest("a");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    this.open(link.dataset.id);
  }

  _activate(event) {
    const id = event.target.dataset?.id;
    if (id === undefined || id === this.activeId) return;
    const old = this.live.get(this.activeId)?.querySelector("a");
    if (old) old.tabIndex = -1;
    this.activeId = id;
    event.target.tabIndex = 0;
  }

  _move(event) {
    const index = this.rows.findIndex((row) => row.id === event.target.dataset?.id);
    const page = Math.max(1, Math.floor(this.scroller.clientHeight / this.rowHeight) - 3);
    const steps = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -Infinity, End: Infinity };
    if (index < 0 || !Object.hasOwn(steps, event.key)) return;
    event.preventDefault();
    const target = Math.max(0, Math.min(this.rows.length - 1, index + steps[event.key]));
    this.focusRow(target);
  }

  focusRow(index) {
    const height = this.head.getBoundingClientRect().height;
    const top = index * this.rowHeight;
    const { scrollTop, clientHeight } = this.scroller;
    if (top < scrollTop) this.scroller.scrollTop = top;
    else if (top + this.rowHeight > scrollTop + clientHeight - height) this.scroller.scrollTop = top + this.rowHeight - clientHeight + height;
    this.draw();
    this.live.get(this.rows[index].id)?.querySelector("a").focus({ preventScroll: true });
  }

  _point(event) {
    const td = event.target.closest("td.cell");
    if (!td) {
      this._highlight(-1);
      return;
    }
    this._highlight(td.cellIndex);
    const { group, region } = this.cells[td.cellIndex - 1 - this.facts.length] ?? {};
    if (!td.title) td.title = t("table.cell", { region: region ?? t(`group_names.${group?.name}`), mark: td.firstChild.getAttribute("aria-label") });
  }

  _highlight(column) {
    if (column === this.highlighted) return;
    this.highlighted = column;
    for (const element of this.table.querySelectorAll(".pointed")) element.classList.remove("pointed");
    if (column < 0) return;
    for (const tr of this.live.values()) tr.children[column]?.classList.add("pointed");
    const shown = this.cells.slice(0, column - this.facts.length).filter((cell) => !cell.group).length;
    if (!this.cells[column - 1 - this.facts.length]?.group) this.head.rows[1].children[shown - 1]?.classList.add("pointed");
  }
}

const RARE_MARKS = ["account", "unknown", "mantle"];

/** The legend; rare marks stand in it only where they occur. */
export function drawLegend(catalog) {
  const occurs = (kind) => catalog.rows.some((row) => catalog.invocationsOf(row).best.includes(MARKS.indexOf(kind)));
  const kinds = [...MARKS].reverse().filter((kind) => !RARE_MARKS.includes(kind) || occurs(kind));
  $("legend").replaceChildren(...kinds.map((kind) => h("li", {}, mark(kind), t(`marks.${kind}`))));
}
