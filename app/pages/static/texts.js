// The page's English texts, from the one file that the template reads, too.

const texts = JSON.parse(document.getElementById("texts").textContent);
const plural = new Intl.PluralRules("en");

/** What stands under a dotted name; undefined where nothing does. */
export function find(name) {
  return Object.hasOwn(texts, name) ? texts[name] : name.split(".").reduce((at, part) => at?.[part], texts);
}

/** The text of a dotted name, its {placeholders} filled. */
export function t(name, values = {}) {
  return fill(find(name), values);
}

/** The text of a number: "1 day", "2 days". */
export function tCount(name, count) {
  return fill(find(name)[plural.select(count)], { count: count.toLocaleString("en") });
}

/** An entry of a table of words whose names may hold dots; the word itself where the table lacks it. */
export function word(table, key) {
  const words = find(table);
  return Object.hasOwn(words, key) ? words[key] : key;
}

/** Fill a text's {placeholders}. */
export function fill(text, values) {
  return text.replace(/\{(\w+)\}/g, (all, name) => (Object.hasOwn(values, name) ? String(values[name]) : all));
}
