// The filters' controls: what can be chosen comes from the catalog, what is chosen from the page's state.

import { GROUPS, groupOf } from "./catalog.js";
import { $, h } from "./dom.js";
import { LIFECYCLES, countFilters, emptyFilters } from "./filters.js";
import { formatTokens } from "./format.js";
import { t, word } from "./texts.js";

const LIMITS = { context: [32_000, 128_000, 200_000, 500_000, 1_000_000], output: [4_000, 8_000, 32_000, 64_000, 128_000] };
const PICKS = ["maker", "modality", "region", "lifecycle", "capability"];
const MIN_OPTIONS_TO_FIND = 12;
const TYPING_MS = 120;

/** The label of a modality such as `in:TEXT`. */
export function modalityLabel(modality) {
  const [way, name] = [modality.slice(0, modality.indexOf(":")), modality.slice(modality.indexOf(":") + 1)];
  const text = name.charAt(0) + name.slice(1).toLowerCase();
  return way === "in" || way === "out" ? t(`modalities.${way}`, { word: text }) : modality;
}

export class FilterBar {
  /** `change(part)` is called with a change of the state. */
  constructor(change) {
    this.change = change;
    let timer = 0;
    const search = () => {
      clearTimeout(timer);
      change({ q: $("q").value.trim() });
    };
    $("q").addEventListener("input", () => {
      clearTimeout(timer);
      timer = setTimeout(search, TYPING_MS);
    });
    $("filters").addEventListener("submit", (event) => {
      event.preventDefault();
      search();
    });
    $("within").addEventListener("change", () => change({ within: $("within").value.split(",").filter(Boolean) }));
    for (const name of ["context", "output"]) $(name).addEventListener("change", () => change({ [name]: Number($(name).value) }));
    $("sort").addEventListener("change", () => change({ sort: $("sort").value }));
    $("reset").addEventListener("click", () => {
      change(emptyFilters());
      $("q").focus();
    });
    $("toggle-filters").addEventListener("click", () => {
      const isOpen = $("filters").classList.toggle("open");
      $("toggle-filters").setAttribute("aria-expanded", String(isOpen));
    });
    for (const name of PICKS) this._listen($(`pick-${name}`), name);
    document.addEventListener("pointerdown", (event) => {
      for (const pick of document.querySelectorAll(".pick[open]")) if (!pick.contains(event.target)) pick.open = false;
    });
  }

  _listen(pick, name) {
    pick.addEventListener("change", (event) => {
      if (event.target.type !== "checkbox") return;
      const chosen = [...pick.querySelectorAll("input:checked")].map((input) => input.value);
      if (name === "lifecycle") this.change({ lifecycle: chosen.length ? LIFECYCLES.filter((one) => chosen.includes(one)) : emptyFilters().lifecycle });
      else this.change({ [name]: chosen });
    });
    pick.addEventListener("keydown", (event) => {
      if (event.key !== "Escape" || !pick.open) return;
      event.stopPropagation();
      pick.open = false;
      pick.querySelector("summary").focus();
    });
    pick.addEventListener("focusout", (event) => {
      if (event.relatedTarget && !pick.contains(event.relatedTarget)) pick.open = false;
    });
    pick.addEventListener("toggle", () => {
      if (pick.open) pick.classList.toggle("to-left", pick.getBoundingClientRect().left > innerWidth / 2);
    });
  }

  /** Offer what the catalog knows; a choice that it does not know stays, so that it can be taken back. */
  offer(catalog, state) {
    const sorted = (known, chosen) => [...new Set([...known, ...chosen])].sort((a, b) => a.localeCompare(b, "en", { sensitivity: "base" }));
    this._fill("maker", [[null, sorted(catalog.makers, state.maker)]], (name) => name, state);
    this._fill("modality", [[null, sorted(catalog.modalities, state.modality)]], modalityLabel, state);
    this._fill("capability", [[null, sorted(catalog.capabilities, state.capability)]], (name) => word("capabilities", name), state);
    this._fill("lifecycle", [[null, LIFECYCLES]], (name) => word("lifecycles", name), state);
    const regions = sorted(catalog.regions, state.region);
    const grouped = GROUPS.map((group) => [t(`group_names.${group}`), regions.filter((region) => groupOf(region) === group)]);
    this._fill("region", grouped.filter(([, names]) => names.length), (name) => name, state);
    this._offerWithin(catalog, state);
    for (const [name, steps] of Object.entries(LIMITS)) {
      const values = [...new Set([...steps, state[name]])].filter(Boolean).sort((a, b) => a - b);
      $(name).replaceChildren(h("option", { value: 0 }, t("filters.any")), ...values.map((value) => h("option", { value }, formatTokens(value))));
    }
    this.update(state);
  }

  _fill(name, groups, labelOf, state) {
    const options = document.querySelector(`#pick-${name} .options`);
    const key = JSON.stringify(groups);
    if (options.dataset.key === key) return;
    options.dataset.key = key;
    const count = groups.reduce((sum, [, values]) => sum + values.length, 0);
    const lists = groups.map(([label, values]) => h("div", { class: "list", role: label && "group", "aria-label": label },
      label && h("p", { class: "list-label", "aria-hidden": "true" }, label),
      values.map((value) => h("label", {}, h("input", { type: "checkbox", value, checked: state[name].includes(value) }), h("span", {}, labelOf(value))))));
    const narrow = (event) => {
      const text = event.target.value.toLowerCase();
      for (const label of options.querySelectorAll("label")) label.hidden = !label.textContent.toLowerCase().includes(text);
    };
    options.replaceChildren(
      ...(count >= MIN_OPTIONS_TO_FIND ? [h("input", { type: "search", class: "find", placeholder: t("filters.find"), "aria-label": t("filters.find"), oninput: narrow,
        onkeydown: (event) => event.key === "Enter" && event.preventDefault() })] : []),
      ...(count ? lists : [h("p", { class: "muted" }, t("filters.none_known"))]));
  }

  _offerWithin(catalog, state) {
    const destinations = new Set(catalog.destinationSets.flatMap((set) => set ?? []).filter((name) => name !== "global"));
    for (const region of catalog.regions) destinations.add(region);
    const names = [...destinations].sort();
    const areas = [...new Set(names.map((name) => `${name.split("-", 1)[0]}-*`))];
    const current = state.within.join(",");
    const option = (value, label = value) => h("option", { value }, label);
    const others = current && !areas.includes(current) && !names.includes(current) ? [h("optgroup", { label: t("filters.within_other") }, option(current))] : [];
    $("within").replaceChildren(option("", t("filters.within_any")), h("optgroup", { label: t("filters.within_areas") }, areas.map((area) => option(area))),
      h("optgroup", { label: t("filters.within_regions") }, names.map((name) => option(name))), ...others);
  }

  /** Show what is chosen. */
  update(state) {
    if (document.activeElement !== $("q")) $("q").value = state.q;
    $("within").value = state.within.join(",");
    for (const name of ["context", "output", "sort"]) $(name).value = String(state[name]);
    for (const name of PICKS) {
      const pick = $(`pick-${name}`);
      for (const input of pick.querySelectorAll("input[type=checkbox]")) input.checked = state[name].includes(input.value);
      const isDefault = name === "lifecycle" && state.lifecycle.join() === emptyFilters().lifecycle.join();
      const count = isDefault ? 0 : state[name].length;
      pick.classList.toggle("chosen", count > 0);
      pick.querySelector("summary").textContent = count ? t("filters.selected", { label: t(`filters.${name}`), count }) : t(`filters.${name}`);
    }
    for (const name of ["within", "context", "output"]) $(name).classList.toggle("chosen", Boolean(Array.isArray(state[name]) ? state[name].length : state[name]));
    const count = countFilters(state);
    $("toggle-filters").textContent = count ? t("filters.toggle_count", { count }) : t("filters.toggle");
    $("reset").hidden = count === 0;
  }
}
