// Numbers, dates and ages as people read them.

import { t, tCount } from "./texts.js";

const DAY_MS = 86_400_000;
const day = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", year: "numeric", timeZone: "UTC" });
const clock = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const moment = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "short" });

/** An RFC 3339 date as milliseconds; null where it is none or the epoch, which means unknown. */
export function parseDate(text) {
  const ms = typeof text === "string" ? Date.parse(text) : NaN;
  return Number.isNaN(ms) || ms === 0 ? null : ms;
}

export const formatDay = (ms) => day.format(ms);
export const formatTime = (ms) => clock.format(ms);
export const formatMoment = (ms) => moment.format(ms);

/** A token limit in few characters: 200K, 1M, 1.05M. Powers of two are rounded as the trade does: 131072 is 131K. */
export function formatTokens(count) {
  if (count >= 999_500) return `${+(count / 1e6).toFixed(2)}M`;
  return count >= 1000 ? `${Math.round(count / 1000)}K` : String(count);
}

export const formatCount = (count) => count.toLocaleString("en");

/** A decimal string as it came, with at least two places after the point. */
export function formatPrice(text) {
  return /^\d+$/.test(text) ? `${text}.00` : text.replace(/^(\d+\.\d)$/, "$10");
}

/** A duration in its largest sensible unit. */
export function formatAge(seconds) {
  if (seconds < 10) return t("units.now");
  if (seconds < 120) return tCount("units.seconds", Math.floor(seconds));
  if (seconds < 7200) return tCount("units.minutes", Math.floor(seconds / 60));
  if (seconds < 172_800) return tCount("units.hours", Math.floor(seconds / 3600));
  return tCount("units.days", Math.floor(seconds / 86_400));
}

export const formatDays = (ms) => tCount("units.days", Math.max(0, Math.round(ms / DAY_MS)));
