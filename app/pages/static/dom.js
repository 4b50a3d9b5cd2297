// Elements made in script. Every string becomes text or an attribute's value, never markup.

const SVG = "http://www.w3.org/2000/svg";

export const $ = (id) => document.getElementById(id);

/** An HTML element; a property that starts with "on" is a listener, one that is null is left out. */
export function h(tag, properties = {}, ...children) {
  return build(document.createElement(tag), properties, children);
}

/** An SVG element. */
export function s(tag, properties = {}, ...children) {
  return build(document.createElementNS(SVG, tag), properties, children);
}

function build(element, properties, children) {
  for (const [name, value] of Object.entries(properties)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

const MARK_PATHS = {
  on_demand: ["M8 2.5a5.5 5.5 0 1 0 0 11a5.5 5.5 0 1 0 0-11z", ""],
  geographic: ["M8 2a6 6 0 0 0 0 12z", "M8 2.75a5.25 5.25 0 1 0 0 10.5a5.25 5.25 0 1 0 0-10.5z"],
  global: ["", "M8 3a5 5 0 1 0 0 10a5 5 0 1 0 0-10z"],
  account: ["M4 3.5h8v9h-8z", ""],
  mantle: ["", "M8 2.75l5.25 5.25-5.25 5.25-5.25-5.25z"],
  unknown: ["", "M5.6 6.2a2.4 2.4 0 1 1 3.4 2.2c-.7.4-1 .8-1 1.6M8 12.2v1.1"],
  none: ["", "M6.5 8h3"],
};
const templates = new Map();

/** One of the table's marks: a full, half or open disc, a square, a diamond, a question mark or a dash; told apart by shape. */
export function mark(kind, label = null) {
  if (!templates.has(kind)) {
    const [fill, stroke] = MARK_PATHS[kind];
    templates.set(
      kind,
      s("svg", { viewBox: "0 0 16 16", class: `mark mark-${kind}`, focusable: "false" },
        fill && s("path", { class: "fill", d: fill }), stroke && s("path", { class: "stroke", d: stroke })),
    );
  }
  const svg = templates.get(kind).cloneNode(true);
  if (label === null) svg.setAttribute("aria-hidden", "true");
  else {
    svg.setAttribute("role", "img");
    svg.setAttribute("aria-label", label);
  }
  return svg;
}

/** Say something to a screen reader. */
export function announce(text) {
  $("announcer").textContent = text;
}
