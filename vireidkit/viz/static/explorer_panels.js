// Beside the map: what the colours mean, and what is selected.

const SHOWN_PICTURES = 24;
const SHOWN_GROUPS = 6;

// The mark of a modality, for legends and captions.
function mark(cross, colour, size = 12) {
  const ns = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(ns, "svg");
  svg.setAttribute("viewBox", "-6 -6 12 12");
  svg.setAttribute("width", size);
  svg.setAttribute("height", size);
  svg.setAttribute("aria-hidden", "true");
  svg.classList.add("vk-mark");
  const shape = document.createElementNS(ns, cross ? "path" : "circle");
  if (cross) {
    shape.setAttribute("d", "M-4-4 4 4M4-4-4 4");
    shape.setAttribute("stroke", colour);
    shape.setAttribute("stroke-width", 2.4);
  } else {
    shape.setAttribute("r", 4.5);
    shape.setAttribute("fill", colour);
  }
  svg.append(shape);
  return svg;
}

class Legend {
  constructor(scene, onpick) {
    this.scene = scene;
    this.onpick = onpick;
    this.list = make("ul", { class: "vk-legend" });
    this.heading = make("h3", {}, "Colour");
    this.element = make("section", { class: "vk-card" }, this.heading, this.list);
  }

  show(name, groups) {
    const [visible, infrared] = this.scene.bands;
    this.heading.textContent = name === "modality" ? "Modality" : `Colour: ${name}`;
    const entries = groups.labels.map((label, code) => {
      const swatch = name === "modality" ? mark(code === 1, groups.colours[code]) : make("span", { class: "vk-swatch", style: `background:${groups.colours[code]}` });
      const number = groups.counts[code].toLocaleString("en");
      const words = `select the ${number} images of ${label}`;
      return make("li", {}, make("button", { type: "button", class: "vk-plain", title: words, onclick: () => this.onpick(code) },
        swatch, make("span", { class: "vk-grow" }, label), make("span", { class: "vk-number" }, number)));
    });
    const marks = name === "modality" ? [] : [make("li", { class: "vk-marks" }, mark(false, "#6b6b6b"), visible, mark(true, "#6b6b6b"), infrared)];
    this.list.replaceChildren(...marks, ...entries);
  }
}

// Counts of codes among rows, the most frequent first: [[code, count], ...].
function counted(rows, codes) {
  const found = new Map();
  for (const row of rows) found.set(codes[row], (found.get(codes[row]) || 0) + 1);
  return [...found].sort((one, other) => other[1] - one[1] || one[0] - other[0]);
}

class SelectionPanel {
  // on: {look(row), pick(row), clear()}
  constructor(scene, data, pictures, kernel, on) {
    Object.assign(this, { scene, data, pictures, kernel, on });
    this.limit = SHOWN_PICTURES;
    this.rows = [];
    this.heading = make("h3", {}, "Selection");
    this.clear = make("button", { type: "button", class: "vk-small", onclick: () => on.clear() }, "Clear");
    this.body = make("div");
    this.element = make("section", { class: "vk-card", "aria-label": "selection" }, make("div", { class: "vk-row" }, this.heading, this.clear), this.body);
    this.asked = 0;
  }

  show(rows) {
    this.rows = rows;
    this.limit = SHOWN_PICTURES;
    this.draw();
  }

  draw() {
    const rows = this.rows;
    this.clear.hidden = rows.length === 0;
    this.heading.textContent = rows.length ? `${many(rows.length, "image")} selected` : "Nothing selected";
    if (!rows.length) {
      this.body.replaceChildren(make("p", { class: "vk-hint" }, "Draw a line around points, click one, or press Enter on one. Shift adds."));
      return;
    }
    const parts = [this.counts("Modality", this.data.infrared, this.scene.bands)];
    if (this.scene.cameras.length) parts.push(this.counts("Camera", this.data.cameras, this.scene.cameras));
    parts.push(this.counts("Person", this.data.identities, this.scene.identities));
    this.body.replaceChildren(...(rows.length === 1 ? [this.alone(rows[0])] : [...parts, this.sheet(rows)]));
  }

  counts(title, codes, names) {
    const found = counted(this.rows, codes);
    const shown = found.slice(0, SHOWN_GROUPS);
    const rest = found.length - shown.length;
    const most = found[0][1];
    const isBand = codes === this.data.infrared;
    const lines = shown.map(([code, count]) =>
      make("div", { class: "vk-count" },
        make("span", { class: "vk-count-name" }, isBand ? mark(code === 1, this.scene.modalityColours[code], 10) : null, names[code]),
        make("span", { class: "vk-bar" }, make("span", { style: `width:${(100 * count) / most}%${isBand ? `;background:${this.scene.modalityColours[code]}` : ""}` })),
        make("span", { class: "vk-number" }, count.toLocaleString("en"))));
    const more = rest > 0 ? make("div", { class: "vk-hint" }, `and ${rest.toLocaleString("en")} more`) : null;
    const head = found.length > 1 ? `${title} (${found.length.toLocaleString("en")})` : title;
    return make("div", { class: "vk-counts" }, make("h4", {}, head), ...lines, more);
  }

  sheet(rows) {
    const shown = rows.slice(0, this.limit);
    const more = rows.length - shown.length;
    return make("div", {},
      make("div", { class: "vk-thumbs" }, ...shown.map((row) => this.thumb(row))),
      more > 0 ? make("button", { type: "button", class: "vk-small", onclick: () => { this.limit += 2 * SHOWN_PICTURES; this.draw(); } }, `Show more (${more.toLocaleString("en")} left)`) : null);
  }

  // A picture that points at its place on the map, and is selected alone by a click.
  thumb(row, below) {
    const words = this.data.words(row);
    const cross = this.data.infrared[row] === 1;
    return make("button", {
      type: "button", class: "vk-thumb", title: words, style: `border-color:${this.scene.modalityColours[cross ? 1 : 0]}`,
      onmouseenter: () => this.on.look(row), onmouseleave: () => this.on.look(-1), onfocus: () => this.on.look(row), onclick: () => this.on.pick(row),
    }, this.pictures.place(row, words), make("span", { class: "vk-under" }, mark(cross, this.scene.modalityColours[cross ? 1 : 0], 9), below || this.scene.identities[this.data.identities[row]]));
  }

  alone(row) {
    const own = ++this.asked;
    const near = make("div", { class: "vk-thumbs" });
    const note = make("p", { class: "vk-hint" }, "asking …");
    this.kernel.ask("neighbours", { row, ...this.data.frame() }).then(([reply]) => {
      if (own !== this.asked) return;
      const same = reply.rows.filter((other) => this.data.identities[other] === this.data.identities[row]).length;
      const across = reply.rows.filter((other) => this.data.infrared[other] !== this.data.infrared[row]).length;
      note.textContent = `${same} of ${reply.rows.length} show the same person, ${across} are of the other modality. Below each: its distance.`;
      near.append(...reply.rows.map((other, place) => this.thumb(other, reply.distances[place].toFixed(2))));
    }).catch((error) => { note.textContent = `No neighbours: ${error.message}`; });
    return make("div", {},
      make("div", { class: "vk-alone" }, this.pictures.place(row, this.data.words(row)), make("div", {}, ...this.data.facts(row).map((fact) => make("div", {}, fact)))),
      make("h4", {}, "Nearest in the original space"), note, near);
  }
}
