// What was released lately and what ends when: a picture and the same as a table.

import { h, s } from "./dom.js";
import { formatDay, formatDays } from "./format.js";
import { t } from "./texts.js";

const DAY = 86_400_000;
const MAX_ROWS = 60;
const CHAR_WIDTH = 0.56;
const monthName = new Intl.DateTimeFormat("en-GB", { month: "short", timeZone: "UTC" });

function addMonths(ms, months) {
  const date = new Date(ms);
  return Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + months, date.getUTCDate());
}

/** The rows that have an event in the window: the nearest end first, then the newest release. */
export function timelineOf(rows, now) {
  const [start, end] = [addMonths(now, -3), addMonths(now, 12)];
  const isAhead = (ms) => ms !== null && ms >= now && ms <= end;
  const events = rows.flatMap((row) => {
    const legacy = isAhead(row.deprecated) ? row.deprecated : null;
    const ends = isAhead(row.retires) ? row.retires : null;
    const isReleased = row.created !== null && row.created >= start && row.created <= now;
    const next = [legacy, ends].filter((ms) => ms !== null);
    return next.length || isReleased ? [{ row, next: next.length ? Math.min(...next) : null, isReleased }] : [];
  });
  events.sort((a, b) => (a.next === null) - (b.next === null) || (a.next !== null ? a.next - b.next : b.row.created - a.row.created));
  return { start, end, events };
}

function nextText({ row, next, isReleased }, now) {
  if (next === null) return isReleased ? t("lifecycle.next_released", { days: formatDays(now - row.created) }) : t("lifecycle.next_none");
  return t(next === row.retires ? "lifecycle.next_end" : "lifecycle.next_legacy", { days: formatDays(next - now) });
}

/** Draw both into an element; `link(row)` makes a model's link. */
export function drawTimeline(place, rows, { now, link }) {
  const { start, end, events } = timelineOf(rows, now);
  if (!events.length) {
    place.replaceChildren(h("p", { class: "notice" }, t("lifecycle.none")));
    return;
  }
  const shown = events.slice(0, MAX_ROWS);
  const counts = { ends: events.filter((event) => event.next !== null).length, released: events.filter((event) => event.isReleased).length };
  place.replaceChildren(...[
    h("ul", { class: "legend" }, ["released", "legacy", "end"].map((kind) => h("li", {}, s("svg", { viewBox: "0 0 16 16", class: "mark", "aria-hidden": "true" }, symbol(kind, 8, 8, 5)), t(`lifecycle.${kind}`)))),
    events.length > shown.length && h("p", { class: "muted" }, t("lifecycle.cut", { count: shown.length, total: events.length })),
    picture(place, shown, { start, end, now, counts }),
    h("h3", {}, t("lifecycle.table")),
    h("div", { class: "wide", role: "region", tabindex: "0", "aria-label": t("lifecycle.table") }, table(shown, { now, link })),
  ].filter(Boolean));
}

function symbol(kind, x, y, r) {
  if (kind === "released") return s("circle", { class: "released", cx: x, cy: y, r });
  if (kind === "legacy") return s("path", { class: "legacy", d: `M${x} ${y - r - 1}l${r + 1} ${r + 1}l${-r - 1} ${r + 1}l${-r - 1} ${-r - 1}z` });
  return s("rect", { class: "end", x: x - r, y: y - r, width: 2 * r, height: 2 * r });
}

function picture(place, events, { start, end, now, counts }) {
  const rem = Number.parseFloat(getComputedStyle(document.documentElement).fontSize);
  const width = Math.max(20 * rem, place.clientWidth || 60 * rem);
  const isNarrow = width < 40 * rem;
  const left = isNarrow ? 0.5 * rem : 17 * rem;
  const right = width - (isNarrow ? 0.5 : 1) * rem;
  const rowHeight = (isNarrow ? 2.75 : 1.75) * rem;
  const top = 2.25 * rem;
  const height = top + events.length * rowHeight + 0.5 * rem;
  const x = (ms) => left + ((Math.min(Math.max(ms, start), end) - start) / (end - start)) * (right - left);
  const months = [];
  for (let ms = addMonths(start - (new Date(start).getUTCDate() - 1) * DAY, 1); ms <= end; ms = addMonths(ms, 1)) months.push(ms);
  const axis = months.map((ms, i) => [
    s("line", { class: "grid", x1: x(ms), x2: x(ms), y1: top - 0.4 * rem, y2: height }),
    (!isNarrow || i % 3 === 1) && x(ms) < right - (isNarrow ? 4.5 : 2) * rem && s("text", { class: "axis", x: x(ms) + 0.25 * rem, y: 1.1 * rem },
      isNarrow || new Date(ms).getUTCMonth() === 0 ? `${monthName.format(ms)} ${new Date(ms).getUTCFullYear()}` : monthName.format(ms)),
  ]);
  const today = [s("line", { class: "today", x1: x(now), x2: x(now), y1: 1.5 * rem, y2: height }), s("text", { class: "axis today-label", x: x(now) + 0.25 * rem, y: 2.05 * rem }, t("lifecycle.today"))];
  const room = Math.floor((isNarrow ? width : left - rem) / (0.8125 * rem * CHAR_WIDTH));
  const cut = (text) => (text.length > room ? `${text.slice(0, room - 1)}…` : text);
  const lines = events.map((event, i) => {
    const { row } = event;
    const y = top + i * rowHeight + (isNarrow ? 1.9 * rem : rowHeight / 2);
    const legacy = row.deprecated;
    const last = row.retires ?? end;
    const from = Math.max(row.created ?? start, start);
    const r = 0.3 * rem;
    const inside = (ms) => ms !== null && ms >= start && ms <= end;
    return [
      s("text", { class: "label", x: isNarrow ? left : 0, y: isNarrow ? y - 0.9 * rem : y + 0.28 * rem }, cut(row.name)),
      s("line", { class: "life", x1: x(from), x2: x(legacy ?? last), y1: y, y2: y }),
      legacy !== null && s("line", { class: "life ending", x1: x(Math.max(legacy, from)), x2: x(last), y1: y, y2: y }),
      inside(row.created) && symbol("released", x(row.created), y, r),
      inside(legacy) && symbol("legacy", x(legacy), y, r),
      inside(row.retires) && symbol("end", x(row.retires), y, r),
    ];
  });
  return s("svg", { class: "timeline", role: "img", "aria-labelledby": "timeline-title timeline-description", viewBox: `0 0 ${width} ${height}`, width, height },
    s("title", { id: "timeline-title" }, t("lifecycle.label")), s("desc", { id: "timeline-description" }, t("lifecycle.describe", counts)), axis, today, lines);
}

function table(events, { now, link }) {
  const date = (ms) => h("td", {}, ms === null ? "" : formatDay(ms));
  return h("table", { class: "plain" },
    h("thead", {}, h("tr", {}, ["model", "next", "released", "legacy", "end"].map((name) => h("th", { scope: "col" }, t(`lifecycle.${name}`))))),
    h("tbody", {}, events.map((event) => h("tr", {}, h("th", { scope: "row" }, link(event.row)), h("td", {}, nextText(event, now)),
      date(event.row.created), date(event.row.deprecated), date(event.row.retires)))));
}
