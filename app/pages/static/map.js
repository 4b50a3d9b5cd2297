// A squeezed map: regions from west to east, north at the top, those marked that a call is sent from and processed in.

import { s } from "./dom.js";
import { t } from "./texts.js";

// Longitude and latitude of the city or state that AWS names for a region, in whole degrees.
const PLACES = {
  "us-west-1": [-122, 37], "us-west-2": [-120, 46], "us-gov-west-1": [-121, 45], "ca-west-1": [-114, 51], "mx-central-1": [-100, 21],
  "us-east-2": [-83, 40], "us-east-1": [-78, 39], "us-gov-east-1": [-82, 40], "ca-central-1": [-74, 46], "sa-east-1": [-47, -23],
  "eu-west-1": [-6, 53], "eu-south-2": [-1, 41], "eu-west-2": [0, 52], "eu-west-3": [2, 49], "eu-central-2": [8, 47], "eu-central-1": [9, 50],
  "eu-south-1": [10, 45], "eu-north-1": [18, 59], "af-south-1": [19, -34], "il-central-1": [35, 32], "me-south-1": [50, 26], "me-central-1": [54, 24],
  "ap-south-1": [73, 19], "ap-south-2": [78, 17], "ap-southeast-7": [100, 14], "ap-southeast-5": [102, 3], "ap-southeast-1": [104, 1],
  "ap-southeast-3": [107, -6], "cn-northwest-1": [105, 38], "cn-north-1": [116, 40], "ap-east-1": [114, 22], "ap-east-2": [121, 25], "ap-northeast-2": [127, 37], "ap-northeast-3": [135, 35],
  "ap-northeast-1": [140, 36], "ap-southeast-4": [145, -38], "ap-southeast-2": [151, -34], "ap-southeast-6": [175, -37],
};
const STEP = 24;
const PAD = 14;
const MAP_HEIGHT = 96;
const LABEL_HEIGHT = 104;
const [NORTH, SOUTH] = [62, -42];

/** The map of regions by name; `destinations` may hold "global". */
export function drawMap(regions, { from, destinations }) {
  const isGlobal = destinations.includes("global");
  const names = [...new Set([...regions, from, ...destinations])].filter((name) => name !== "global");
  const placed = names.map((name) => ({ name, place: Object.hasOwn(PLACES, name) ? PLACES[name] : [180, (NORTH + SOUTH) / 2] }));
  placed.sort((a, b) => a.place[0] - b.place[0] || a.name.localeCompare(b.name));
  const width = PAD * 2 + STEP * Math.max(1, placed.length - 1);
  const label = t("model.map_label", { region: from, destinations: isGlobal ? t("model.processed_global") : destinations.join(", ") });
  const grid = [0.2, 0.5, 0.8].map((part) => s("line", { class: "grid", x1: 0, x2: width, y1: MAP_HEIGHT * part, y2: MAP_HEIGHT * part }));
  const marks = placed.map(({ name, place }, i) => {
    const x = PAD + i * STEP;
    const y = 8 + ((NORTH - place[1]) / (NORTH - SOUTH)) * (MAP_HEIGHT - 16);
    const isUsed = isGlobal || destinations.includes(name);
    const kind = isUsed ? "used" : "other";
    return s("g", { class: `${kind}${name === from ? " from" : ""}` },
      (isUsed || name === from) && s("line", { class: "stem", x1: x, x2: x, y1: y + 7, y2: MAP_HEIGHT + 4 }),
      s("circle", { class: "dot", cx: x, cy: y, r: isUsed ? 5 : 3 }),
      name === from && s("circle", { class: "ring", cx: x, cy: y, r: 8 }),
      s("text", { x: 0, y: 0, transform: `translate(${x + 4} ${MAP_HEIGHT + 10}) rotate(90)`, dy: "0.65em" }, name));
  });
  return s("svg", { class: "map", role: "img", "aria-label": label, viewBox: `0 0 ${width} ${MAP_HEIGHT + LABEL_HEIGHT}`, width, height: MAP_HEIGHT + LABEL_HEIGHT }, grid, marks);
}
