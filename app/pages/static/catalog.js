// The catalog as the page needs it: one row a model, its invocations in small numbers. No document, no network.

import { parseDate } from "./format.js";

/** Ways to call a model from a region, the better the higher. */
export const MARKS = ["none", "mantle", "unknown", "global", "geographic", "on_demand", "account"];
export const MANTLE = 1;
const [UNKNOWN, GLOBAL, GEOGRAPHIC, ON_DEMAND, ACCOUNT] = [2, 3, 4, 5, 6];
const UNKNOWN_DESTINATIONS = 0;

const GROUP_OF_PREFIX = {
  us: "us", ca: "americas", mx: "americas", sa: "americas", eu: "europe", me: "mea", il: "mea", af: "mea", ap: "apac", cn: "china",
};
export const GROUPS = ["us", "americas", "europe", "mea", "apac", "gov", "china", "other"];

/** The group of columns that a region stands in. */
export function groupOf(region) {
  if (region.startsWith("us-gov-") || region.startsWith("us-iso")) return "gov";
  const prefix = region.split("-", 1)[0];
  return Object.hasOwn(GROUP_OF_PREFIX, prefix) ? GROUP_OF_PREFIX[prefix] : "other";
}

const list = (value) => (Array.isArray(value) ? value.filter((item) => typeof item === "string") : []);
const record = (value) => (value && typeof value === "object" && !Array.isArray(value) ? value : {});
const number = (value) => (Number.isFinite(value) ? value : null);
const price = (text) => (typeof text === "string" && Number.isFinite(Number.parseFloat(text)) ? Number.parseFloat(text) : null);

/** The dotted names of a capability tree with their value: true, false or null. */
export function capabilityLeaves(tree, prefix = "") {
  const leaves = [];
  for (const [name, value] of Object.entries(record(tree))) {
    const path = prefix + name;
    if (name === "supported") continue;
    if (value === null) leaves.push([path, null]);
    else if (typeof value === "object") {
      if ("supported" in value) leaves.push([path, typeof value.supported === "boolean" ? value.supported : null]);
      leaves.push(...capabilityLeaves(value, `${path}.`));
    }
  }
  return leaves;
}

export class Catalog {
  constructor() {
    this.rows = [];
    this.regions = [];
    this.makers = new Set();
    this.modalities = new Set();
    this.capabilities = new Set();
    /** Sets of destinations by number; number 0 is the unknown one. */
    this.destinationSets = [null];
    this._regionNumbers = new Map();
    this._setNumbers = new Map();
    this._models = new Map();
    this._waiting = new Map();
    this._sorted = new Map();
  }

  get isEmpty() {
    return this.rows.length === 0;
  }

  /** Take entries in; a profile waits for its model. */
  add(entries) {
    this._sorted.clear();
    for (const entry of entries) {
      if (!entry || typeof entry.id !== "string") continue;
      if (entry.kind === "alias") continue;  // The target's entry names its aliases.
      if (entry.kind === "inference_profile" && typeof entry.model_id === "string") this._addProfile(entry);
      else this._addRow(entry);
    }
  }

  /** After the last page: a profile whose model is not listed is a row of its own. */
  complete() {
    for (const profiles of this._waiting.values()) for (const profile of profiles) this._addRow(profile);
    this._waiting.clear();
    this._sorted.clear();
  }

  find(id) {
    return this._models.get(id) ?? this.rows.find((row) => row.id === id || row.profiles.has(id) || row.aliases.includes(id)) ?? null;
  }

  regionNumber(region) {
    let known = this._regionNumbers.get(region);
    if (known === undefined) {
      known = this.regions.push(region) - 1;
      this._regionNumbers.set(region, known);
    }
    return known;
  }

  _setNumber(destinations) {
    if (!destinations) return UNKNOWN_DESTINATIONS;
    const name = destinations.join(" ");
    let known = this._setNumbers.get(name);
    if (known === undefined) {
      known = this.destinationSets.push(destinations) - 1;
      this._setNumbers.set(name, known);
    }
    return known;
  }

  _addProfile(profile) {
    const row = this._models.get(profile.model_id);
    if (row) {
      row.profiles.set(profile.id, profile);
      row.invocations = null;
      row.haystack += `\n${profile.id}`.toLowerCase();
    } else if (this._waiting.has(profile.model_id)) this._waiting.get(profile.model_id).push(profile);
    else this._waiting.set(profile.model_id, [profile]);
  }

  _addRow(entry) {
    if (this._models.has(entry.id)) return;
    const profiles = new Map((this._waiting.get(entry.id) ?? []).map((profile) => [profile.id, profile]));
    this._waiting.delete(entry.id);
    const name = typeof entry.name === "string" && entry.name ? entry.name : entry.id;
    const provider = typeof entry.provider === "string" ? entry.provider : null;
    const aliases = list(entry.aliases);
    const prices = record(record(entry.card).prices);
    const row = {
      entry, profiles, aliases, name, provider,
      id: entry.id,
      order: this.rows.length,
      haystack: [entry.id, name, provider ?? "", ...aliases, ...profiles.keys()].join("\n").toLowerCase(),
      created: parseDate(entry.created_at),
      deprecated: parseDate(entry.deprecated_at),
      retires: parseDate(entry.retires_at),
      lifecycle: ["deprecated", "retired"].includes(entry.lifecycle) ? entry.lifecycle : "active",
      context: number(entry.max_input_tokens),
      output: number(entry.max_tokens),
      priceInput: price(prices.input),
      priceOutput: price(prices.output),
      modalities: [...list(entry.input_modalities).map((m) => `in:${m}`), ...list(entry.output_modalities).map((m) => `out:${m}`)],
      capabilities: new Set(capabilityLeaves(entry.capabilities).filter(([, supported]) => supported).map(([path]) => path)),
      invocations: null,
    };
    for (const region of [...list(entry.regions), ...Object.keys(record(entry.mantle))]) this.regionNumber(region);
    if (provider) this.makers.add(provider);
    for (const modality of row.modalities) this.modalities.add(modality);
    for (const capability of row.capabilities) this.capabilities.add(capability);
    this._models.set(row.id, row);
    this.rows.push(row);
  }

  /** A row's invocations: parallel lists of region, mark, set of destinations and id to send. */
  invocationsOf(row) {
    row.invocations ??= this._invocations(row);
    return row.invocations;
  }

  _invocations(row) {
    const all = { regions: [], marks: [], sets: [], ids: [] };
    const best = [];
    const push = (region, mark, destinations, id) => {
      const number = this.regionNumber(region);
      all.regions.push(number);
      all.marks.push(mark);
      all.sets.push(this._setNumber(destinations));
      all.ids.push(id);
      best[number] = Math.max(best[number] ?? 0, mark);
    };
    const { entry } = row;
    if (entry.kind === "inference_profile") this._pushProfile(push, entry.id, entry, list(entry.regions), entry.geography);
    else if ("base_model_id" in entry) {
      // The account's own: called by its ARN, or not at all.
      for (const [region, id] of Object.entries(record(entry.invoke))) push(region, ACCOUNT, null, id);
    } else {
      for (const region of list(entry.on_demand_regions)) push(region, ON_DEMAND, [region], entry.id);
      for (const [id, regions] of Object.entries(record(entry.inference_profiles))) {
        const profile = row.profiles.get(id);
        // An id is the geography, a dot and the model's id (contract.md, 6).
        const spelled = id.endsWith(`.${entry.id}`) ? id.slice(0, -entry.id.length - 1) : null;
        this._pushProfile(push, id, profile, list(regions), profile?.geography ?? spelled);
      }
      for (const region of list(entry.regions)) {
        if (!best[this.regionNumber(region)]) push(region, UNKNOWN, null, record(entry.invoke)[region] ?? null);
      }
    }
    for (const [region, id] of Object.entries(record(entry.mantle))) push(region, MANTLE, null, id);
    all.best = best;
    return all;
  }

  _pushProfile(push, id, profile, regions, geography) {
    const destinationsOf = record(profile?.destinations);
    for (const region of regions) {
      const value = Object.hasOwn(destinationsOf, region) ? destinationsOf[region] : null;
      const destinations = value === "global" ? ["global"] : Array.isArray(value) ? list(value) : null;
      const isGlobal = geography === "global" || destinations?.includes("global");
      push(region, isGlobal ? GLOBAL : GEOGRAPHIC, destinations, id);
    }
  }

  /** All rows in an order; each order is made once. */
  sorted(sort) {
    if (!this._sorted.has(sort)) {
      const compare = comparator(sort);
      this._sorted.set(sort, this.rows.slice().sort((a, b) => compare(a, b) || a.order - b.order));
    }
    return this._sorted.get(sort);
  }
}

const VALUES = {
  created: [(row) => row.created, -1],
  context: [(row) => row.context, -1],
  output: [(row) => row.output, -1],
  price_input: [(row) => row.priceInput, 1],
  price_output: [(row) => row.priceOutput, 1],
  retires: [(row) => row.retires, 1],
};
const collator = new Intl.Collator("en", { numeric: true, sensitivity: "base" });

/** Unknown values stand last, in either direction. */
function comparator(sort) {
  const reversed = sort.startsWith("-") ? -1 : 1;
  const key = reversed < 0 ? sort.slice(1) : sort;
  if (key === "name") return (a, b) => reversed * collator.compare(a.name, b.name);
  const [valueOf, direction] = VALUES[key];
  return (a, b) => {
    const [x, y] = [valueOf(a), valueOf(b)];
    if (x === null || y === null) return (x === null) - (y === null);
    return reversed * direction * (x - y);
  };
}
