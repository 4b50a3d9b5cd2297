// How fresh the catalog is, in an operator's words.

import { h } from "./dom.js";
import { formatAge, formatCount, formatMoment, parseDate } from "./format.js";
import { fill, find, t, word } from "./texts.js";

const STATES = { fresh: "good", partial: "poor", stale: "poor", missing: "bad", ready: "good", unavailable: "bad" };

/** A state as a word with a shape before it. */
export function stateLabel(state, text) {
  return h("span", { class: `state ${STATES[state] ?? "poor"}` }, text);
}

const list = (value) => (Array.isArray(value) ? value : []);
const age = (seconds) => (Number.isFinite(seconds) ? formatAge(Math.max(0, seconds)) : t("model.unknown"));

function reason(failure) {
  const code = typeof failure.code === "string" && failure.code ? failure.code : t("model.unknown");
  if (typeof failure.action === "string" && failure.action) return t("freshness.reason_action", { action: failure.action, code });
  const reasons = find("freshness.reasons");
  return fill(Object.hasOwn(reasons, code) ? reasons[code] : t("freshness.reason_other"), { code });
}

function failedAgo(failure, now) {
  const at = parseDate(failure.failed_at);
  return at === null ? null : t("freshness.failed_at", { age: age((now - at) / 1000) });
}

/** The sentences that explain a region's state; parts that failed alike share one. */
export function explain(region, now) {
  const lines = new Map();
  for (const part of list(region.parts)) {
    if (!part || (part.state === "fresh" && !part.failure)) continue;
    const why = part.failure ? reason(part.failure) : `${word("freshness.states", String(part.state)).toLowerCase()}.`;
    const kept = part.state === "missing" ? t("freshness.part_missing") : Number.isFinite(part.age_seconds) && t("freshness.part_kept", { age: age(part.age_seconds) });
    const text = [why, kept, part.failure && failedAgo(part.failure, now)].filter(Boolean).join(" ");
    lines.set(text, [...(lines.get(text) ?? []), word("freshness.parts", String(part.part))]);
  }
  if (!lines.size && region.failure) lines.set([reason(region.failure), failedAgo(region.failure, now)].filter(Boolean).join(" "), [t("freshness.region")]);
  if (region.state === "fresh" && !lines.size) return [t("freshness.all_fresh")];
  const states = find("freshness.region_states");
  const sentences = [...lines].map(([text, parts]) => t("freshness.part_failed", { part: parts.join(", "), reason: text }));
  return Object.hasOwn(states, region.state) ? [...sentences, states[region.state]] : sentences;
}

/** Draw the panel into an element. */
export function drawFreshness(place, readiness, { now, checkedAt, ageSeconds }) {
  if (!readiness) {
    place.replaceChildren(h("p", { class: "notice" }, t("freshness.none")));
    return;
  }
  const passed = checkedAt === null ? 0 : (now - checkedAt) / 1000;
  const moment = (text) => {
    const ms = parseDate(text);
    return ms === null ? t("model.unknown") : formatMoment(ms);
  };
  const summary = find("freshness")[readiness.status];
  const facts = [
    ["state", stateLabel(readiness.status, typeof summary === "string" ? summary : readiness.status)],
    ["age", age((readiness.age_seconds ?? ageSeconds) + passed)],
    ["refreshed", moment(readiness.refreshed_at)],
    ["attempted", moment(readiness.attempted_at)],
    ["models", Number.isFinite(readiness.models) ? formatCount(readiness.models) : t("model.unknown")],
    ["source", typeof readiness.source === "string" ? readiness.source : t("model.unknown")],
    ["checked", checkedAt === null ? t("model.unknown") : formatMoment(checkedAt)],
  ];
  // What needs a look comes first.
  const rank = ["missing", "stale", "partial", "fresh"];
  const regions = list(readiness.regions).filter((region) => typeof region?.region === "string");
  regions.sort((a, b) => rank.indexOf(a.state) - rank.indexOf(b.state) || (a.region < b.region ? -1 : 1));
  place.replaceChildren(
    h("dl", { class: "facts" }, facts.map(([name, value]) => h("div", {}, h("dt", {}, t(`freshness.${name}`)), h("dd", {}, value)))),
    h("h3", {}, t("freshness.regions")),
    h("div", { class: "wide", role: "region", tabindex: "0", "aria-label": t("freshness.regions") }, h("table", { class: "plain" },
      h("thead", {}, h("tr", {}, h("th", { scope: "col" }, t("freshness.region")), h("th", { scope: "col" }, t("freshness.states_heading")), h("th", { scope: "col" }, t("freshness.age_heading")), h("th", { scope: "col" }, t("freshness.explain")))),
      h("tbody", {}, regions.map((region) => h("tr", {}, h("th", { scope: "row" }, region.region),
        h("td", {}, stateLabel(region.state, word("freshness.states", String(region.state)))),
        h("td", {}, Number.isFinite(region.age_seconds) ? age(region.age_seconds + passed) : t("freshness.not_listed")),
        h("td", {}, explain(region, now).map((line) => h("p", {}, line)))))))));
}
