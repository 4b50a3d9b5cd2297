// What is shown: the page's state, its form in the URL, and the rows that match it. No document.

import { find } from "./texts.js";

export const VIEWS = ["models", "lifecycle", "freshness"];
export const LIFECYCLES = ["active", "deprecated", "retired"];
export const DEFAULT_LIFECYCLES = ["active", "deprecated"];
const LISTS = ["maker", "modality", "region", "capability"];
const NUMBERS = { context: "min_input_tokens", output: "min_output_tokens" };
const MAX_TEXT = 200;

export function emptyFilters() {
  return {
    q: "", maker: [], modality: [], region: [], capability: [], within: [], lifecycle: [...DEFAULT_LIFECYCLES], context: 0, output: 0,
  };
}

/** The state that a query string describes; what it cannot mean is left out. */
export function readState(search) {
  const query = new URLSearchParams(search);
  const state = { ...emptyFilters(), view: "models", sort: "created", fold: null, model: null, at: null };
  if (VIEWS.includes(query.get("view"))) state.view = query.get("view");
  state.q = (query.get("q") ?? "").slice(0, MAX_TEXT);
  for (const name of LISTS) state[name] = [...new Set(query.getAll(name).filter(Boolean))];
  state.within = [...new Set(query.getAll("within").flatMap((value) => value.split(",")).filter(Boolean))];
  const lifecycles = LIFECYCLES.filter((word) => query.getAll("lifecycle").includes(word));
  if (lifecycles.length) state.lifecycle = lifecycles;
  for (const [name, parameter] of Object.entries(NUMBERS)) {
    const value = Number(query.get(parameter));
    if (Number.isInteger(value) && value > 0) state[name] = value;
  }
  if (Object.hasOwn(find("sorts"), query.get("sort") ?? "")) state.sort = query.get("sort");
  if (query.has("fold")) state.fold = query.getAll("fold").filter((name) => name && name !== "none");
  state.model = query.get("model") || null;
  state.at = query.get("at") || null;
  return state;
}

/** The shortest query string of a state: what is as by default does not stand in it. */
export function writeState(state) {
  const query = new URLSearchParams();
  if (state.view !== "models") query.set("view", state.view);
  if (state.q) query.set("q", state.q);
  for (const name of LISTS) for (const value of state[name]) query.append(name, value);
  if (state.within.length) query.set("within", state.within.join(","));
  if (state.lifecycle.join() !== DEFAULT_LIFECYCLES.join()) for (const word of state.lifecycle) query.append("lifecycle", word);
  for (const [name, parameter] of Object.entries(NUMBERS)) if (state[name]) query.set(parameter, state[name]);
  if (state.sort !== "created") query.set("sort", state.sort);
  if (state.fold !== null) for (const name of state.fold.length ? state.fold : ["none"]) query.append("fold", name);
  if (state.model) query.set("model", state.model);
  if (state.model && state.at) query.set("at", state.at);
  const text = query.toString();
  return text ? `?${text}` : "";
}

/** How many filters narrow the list. */
export function countFilters(state) {
  const defaults = DEFAULT_LIFECYCLES.join();
  return (
    LISTS.filter((name) => state[name].length).length + [state.q, state.within.length, state.context, state.output].filter(Boolean).length +
    (state.lifecycle.join() === defaults ? 0 : 1)
  );
}

/** A test for region names or patterns: `eu-*`, `*`, `us-east-?`. `global` is matched by `global` and `*` alone. */
export function patternTest(patterns) {
  const tests = patterns.map((pattern) => {
    const source = pattern.replace(/[.+^${}()|[\]\\]/g, "\\$&").replace(/\*+/g, ".*").replace(/\?/g, ".");
    return { pattern, expression: new RegExp(`^${source}$`) };
  });
  return (name) => tests.some(({ pattern, expression }) => (name === "global" ? pattern === "global" || pattern === "*" : expression.test(name)));
}

/** The filter of invocations: which regions and sets of destinations pass; null where neither is asked for. */
export function invocationFilter(catalog, state) {
  if (!state.region.length && !state.within.length) return null;
  const regionTest = state.region.length ? patternTest(state.region) : () => true;
  const withinTest = state.within.length ? patternTest(state.within) : null;
  const regions = new Map();
  const sets = new Map();
  const regionPasses = (number) => {
    if (!regions.has(number)) regions.set(number, regionTest(catalog.regions[number]));
    return regions.get(number);
  };
  const setPasses = (number) => {
    if (withinTest === null) return true;
    if (!sets.has(number)) {
      const destinations = catalog.destinationSets[number];
      // `global` stands for the regions that AWS names beside it.
      const places = destinations?.includes("global") ? ["global"] : destinations;
      sets.set(number, places !== null && places.length > 0 && places.every(withinTest));
    }
    return sets.get(number);
  };
  return { regionPasses, setPasses };
}

/** A row's best mark in each region, by the region's number, of the invocations that pass. */
export function marksOf(catalog, row, filter) {
  const invocations = catalog.invocationsOf(row);
  if (filter === null) return invocations.best;
  const best = [];
  for (let i = 0; i < invocations.regions.length; i += 1) {
    const region = invocations.regions[i];
    const mark = invocations.marks[i];
    if (mark > (best[region] ?? 0) && filter.regionPasses(region) && filter.setPasses(invocations.sets[i])) best[region] = mark;
  }
  return best;
}

function isCallable(catalog, row, filter) {
  const invocations = catalog.invocationsOf(row);
  for (let i = 0; i < invocations.regions.length; i += 1) {
    if (filter.regionPasses(invocations.regions[i]) && filter.setPasses(invocations.sets[i])) return true;
  }
  return false;
}

/** The rows that match, in the state's order. */
export function matchingRows(catalog, state) {
  const words = state.q.toLowerCase().split(/\s+/).filter(Boolean);
  const makers = new Set(state.maker);
  const lifecycles = new Set(state.lifecycle);
  const filter = invocationFilter(catalog, state);
  return catalog.sorted(state.sort).filter(
    (row) =>
      lifecycles.has(row.lifecycle) &&
      (makers.size === 0 || makers.has(row.provider)) &&
      words.every((word) => row.haystack.includes(word)) &&
      state.modality.every((modality) => row.modalities.includes(modality)) &&
      state.capability.every((capability) => row.capabilities.has(capability)) &&
      (!state.context || (row.context !== null && row.context >= state.context)) &&
      (!state.output || (row.output !== null && row.output >= state.output)) &&
      (filter === null || isCallable(catalog, row, filter)),
  );
}
