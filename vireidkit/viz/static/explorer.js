// The gap explorer: map, switches, pointer, lasso and keys.

const STEP = 40; // pixels that Shift and an arrow move the map by
const FEW = 30; // people whose lines are drawn at a time
const MANY = 80; // selected points up to which each gets a ring; more of them stand out by their colour alone
const HELP =
  "Map of images. Arrow keys move to the nearest point, Enter selects it, Shift and Enter adds it, Escape clears. " +
  "Plus and minus zoom, 0 resets, Shift and arrows move the map.";
let explorers = 0;

class Explorer {
  constructor(model, el) {
    this.model = model;
    this.id = `vk-explorer-${explorers++}`;
    this.root = make("div", { class: "vk vk-explorer", role: "group", "aria-label": "gap explorer" });
    this.status = make("p", { class: "vk-status", role: "status", "aria-live": "polite" }, "Asking the kernel …");
    this.root.append(this.status);
    el.append(this.root);
    this.kernel = new Kernel(model, (silent) => this.root.classList.toggle("vk-silent", silent));
    this.pictures = new Pictures(this.kernel);
    this.cleanups = [keepKeys(this.root)];
    this.hovered = -1;
    this.cursor = -1;
    this.pointed = -1; // from a thumbnail
    this.lasso = null;
    this.mode = "select";
    this.colouring = 0;
    this.laying = 0;
    this.kernel.ask("scene").then(([scene, buffers]) => this.build(scene, buffers)).catch((error) => this.say(error.message));
  }

  say(text) {
    this.status.textContent = text;
  }

  build(scene, [infrared, identities, cameras]) {
    if (this.closed) return;
    this.scene = scene;
    this.data = {
      infrared: typed(Uint8Array, infrared),
      identities: typed(Int32Array, identities),
      cameras: typed(Int32Array, cameras),
      words: (row) => this.facts(row).join(", "),
      facts: (row) => this.facts(row),
      frame: () => ({ method: this.model.get("method"), epoch: this.model.get("epoch") }),
    };
    this.people = scene.identities.map(() => []);
    this.data.identities.forEach((person, row) => this.people[person].push(row));
    this.canvas = make("canvas", { class: "vk-map", tabindex: "0", role: "application", "aria-label": `Map of ${many(scene.images, "image")}`, "aria-describedby": `${this.id}-help` });
    this.tip = make("div", { class: "vk-tip", hidden: true });
    this.stage = make("div", { class: "vk-stage" }, this.canvas, this.tip);
    this.told = make("p", { class: "vk-told" });
    this.legend = new Legend(scene, (code) => this.select([...this.codes.keys()].filter((row) => this.codes[row] === code && this.plane.placed(row))));
    this.panel = new SelectionPanel(scene, this.data, this.pictures, this.kernel, {
      look: (row) => { this.pointed = row; this.plane.refresh(); },
      pick: (row) => { this.cursor = row; this.select([row]); this.plane.reveal(row); },
      clear: () => this.select([]),
    });
    const side = make("div", { class: "vk-side" }, this.legend.element, this.panel.element);
    const help = make("p", { id: `${this.id}-help`, class: "vk-hidden" }, HELP);
    this.root.replaceChildren(this.switches(), make("div", { class: "vk-main" }, make("div", { class: "vk-left" }, this.tools(), this.stage, this.told, this.status), side), help);
    this.plane = new Plane(this.canvas, this.data.infrared);
    this.plane.decorate = (pen) => this.decorate(pen);
    this.listen();
    this.applyFrame(false);
    this.applyColour();
    this.applySelection();
    this.say("");
    this.pictures.onTake = (count) => { this.root.dataset.pictures = count; };
    this.pictures.stock(this.plane.shuffled);
  }

  facts(row) {
    const camera = this.data.cameras[row];
    return [
      `person ${this.scene.identities[this.data.identities[row]]}`,
      camera >= 0 ? `camera ${this.scene.cameras[camera]}` : "camera unknown",
      this.scene.bands[this.data.infrared[row]],
    ];
  }

  // --- switches

  switches() {
    const set = (name) => (value) => this.set({ [name]: value });
    const methods = [...new Set(this.scene.frames.map((frame) => frame.method))];
    this.method = choice("Method", (value) => this.toMethod(value), `${this.id}-method`);
    this.method.set(methods, this.model.get("method"));
    this.colour = choice("Colour", set("colour"), `${this.id}-colour`);
    this.colour.set(this.scene.colours, this.model.get("colour"));
    this.lines = choice("Lines", set("lines"), `${this.id}-lines`);
    this.lines.set(this.scene.lines, this.model.get("lines"));
    this.slider = make("input", { type: "range", id: `${this.id}-epoch`, min: 0, step: 1, oninput: () => this.set({ epoch: this.epochs()[this.slider.value] }) });
    this.epochName = make("output", { for: `${this.id}-epoch` });
    this.player = make("button", { type: "button", class: "vk-small", "aria-label": "play the epochs", onclick: () => this.play() }, "▶");
    this.epoch = make("span", { class: "vk-choice" }, make("label", { for: `${this.id}-epoch` }, "Epoch"), this.slider, this.epochName);
    this.epochBox = make("span", { class: "vk-row" }, this.epoch, this.player);
    return make("div", { class: "vk-bar-top" }, this.method.element, this.epochBox, this.colour.element, this.lines.element);
  }

  epochs() {
    return this.scene.frames.filter((frame) => frame.method === this.model.get("method")).map((frame) => frame.epoch);
  }

  toMethod(method) {
    const own = this.scene.frames.filter((frame) => frame.method === method).map((frame) => frame.epoch);
    this.set({ method, epoch: own.includes(this.model.get("epoch")) ? this.model.get("epoch") : own[own.length - 1] });
  }

  play() {
    if (this.clock) {
      clearInterval(this.clock);
      this.clock = null;
      this.player.textContent = "▶";
      return;
    }
    const next = () => {
      const epochs = this.epochs();
      const place = epochs.indexOf(this.model.get("epoch"));
      if (place + 1 >= epochs.length && this.began) return this.play();
      this.set({ epoch: epochs[this.began ? place + 1 : 0] });
      this.began = true;
    };
    this.began = false;
    this.player.textContent = "❚❚";
    this.clock = setInterval(next, 1100);
    next();
  }

  tools() {
    const button = (text, words, action, settings = {}) => make("button", { type: "button", class: "vk-small", title: words, "aria-label": words, onclick: action, ...settings }, text);
    this.modes = {
      select: button("Select", "drag to draw a line around points", () => this.toMode("select"), { "aria-pressed": "true" }),
      move: button("Move", "drag to move the map", () => this.toMode("move"), { "aria-pressed": "false" }),
    };
    const centre = (factor) => () => this.plane.zoomAt(this.plane.width / 2, this.plane.height / 2, factor);
    return make("div", { class: "vk-tools", role: "toolbar", "aria-label": "map" },
      this.modes.select, this.modes.move, button("+", "zoom in", centre(1.4)), button("−", "zoom out", centre(1 / 1.4)), button("Reset", "show everything", () => this.plane.reset()));
  }

  toMode(mode) {
    this.mode = mode;
    for (const [name, button] of Object.entries(this.modes)) button.setAttribute("aria-pressed", String(name === mode));
    this.canvas.classList.toggle("vk-moving", mode === "move");
  }

  set(values) {
    for (const [name, value] of Object.entries(values)) this.model.set(name, value);
    this.model.save_changes();
  }

  // --- what the model says

  applyFrame(animate = true) {
    const [method, epoch] = [this.model.get("method"), this.model.get("epoch")];
    const epochs = this.epochs();
    this.method.select.value = method;
    this.epochBox.hidden = epochs.length < 2;
    this.slider.max = epochs.length - 1;
    this.slider.value = Math.max(0, epochs.indexOf(epoch));
    this.epochName.textContent = epoch;
    const own = ++this.laying;
    this.kernel.ask("points", { method, epoch }).then(([reply, [points]]) => {
      if (own !== this.laying) return;
      this.plane.lay(typed(Float32Array, points), animate);
      const lost = reply.placeless ? ` ${many(reply.placeless, "image has", "images have")} no place here: coordinates that are not finite.` : "";
      this.told.textContent = `${reply.told}. The axes have no unit, and distances between clusters mean nothing.${lost}`;
      if (this.panel.rows.length === 1) this.panel.draw();
    }).catch((error) => this.say(error.message));
  }

  applyColour() {
    const name = this.model.get("colour");
    this.colour.select.value = name;
    const people = name === "identity" ? counted(this.model.get("selection"), this.data.identities).map(([code]) => this.scene.identities[code]) : [];
    const own = ++this.colouring;
    this.kernel.ask("colours", { name, people: people.slice(0, 12) }).then(([groups, [codes]]) => {
      if (own !== this.colouring) return;
      this.codes = typed(Uint8Array, codes);
      this.plane.paint(this.codes, groups.colours, this.scene.rest, name === "identity");
      this.legend.show(name, groups);
    }).catch((error) => this.say(error.message));
  }

  applySelection() {
    const rows = this.model.get("selection");
    this.plane.choose(rows);
    this.panel.show(rows);
    if (this.model.get("colour") === "identity") this.applyColour();
  }

  applyLines() {
    this.lines.select.value = this.model.get("lines");
    this.plane.refresh();
  }

  select(rows) {
    this.set({ selection: [...new Set(rows)].sort((one, other) => one - other) });
  }

  toggle(row) {
    const chosen = new Set(this.model.get("selection"));
    if (!chosen.delete(row)) chosen.add(row);
    this.select([...chosen]);
  }

  // --- pointer and keys

  listen() {
    const on = (target, name, action, options) => {
      target.addEventListener(name, action, options);
      this.cleanups.push(() => target.removeEventListener(name, action, options));
    };
    on(this.canvas, "pointermove", (event) => this.moved(event));
    on(this.canvas, "pointerleave", () => this.hover(-1));
    on(this.canvas, "pointerdown", (event) => this.pressed(event));
    on(this.canvas, "pointerup", (event) => this.released(event));
    on(this.canvas, "pointercancel", () => this.drop());
    on(this.canvas, "keydown", (event) => this.key(event));
    on(this.canvas, "blur", () => { this.hover(-1); });
    on(this.canvas, "wheel", (event) => this.wheel(event), { passive: false });
    const model = { "change:method": () => this.applyFrame(), "change:epoch": () => this.applyFrame(), "change:colour": () => this.applyColour(), "change:selection": () => this.applySelection(), "change:lines": () => this.applyLines() };
    for (const [name, action] of Object.entries(model)) {
      this.model.on(name, action);
      this.cleanups.push(() => this.model.off(name, action));
    }
    const watch = new ResizeObserver(() => this.plane.resize());
    watch.observe(this.canvas);
    this.cleanups.push(() => watch.disconnect());
  }

  place(event) {
    const box = this.canvas.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  }

  pressed(event) {
    if (event.button > 1) return;
    const at = this.place(event);
    this.keyed = false;
    this.canvas.focus({ preventScroll: true });
    // A page may send events of its own that no pointer belongs to.
    if (event.isTrusted) this.canvas.setPointerCapture(event.pointerId);
    this.drag = { at, last: at, pan: this.mode === "move" || event.button === 1, far: false };
    if (event.button === 1) event.preventDefault();
  }

  moved(event) {
    const [x, y] = this.place(event);
    if (!this.drag) return this.hover(this.plane.at(x, y));
    const { at, last, pan } = this.drag;
    this.drag.far = this.drag.far || Math.hypot(x - at[0], y - at[1]) > 4;
    if (!this.drag.far) return undefined;
    this.hover(-1);
    if (pan) this.plane.pan(x - last[0], y - last[1]);
    else {
      this.lasso = this.lasso || [at];
      if (Math.hypot(x - last[0], y - last[1]) >= 2) this.lasso.push([x, y]);
      this.plane.refresh();
    }
    this.drag.last = [x, y];
    return undefined;
  }

  released(event) {
    const { drag, lasso } = this;
    this.drop();
    if (!drag) return;
    const kept = event.shiftKey ? this.model.get("selection") : [];
    if (lasso && lasso.length > 2) {
      this.select([...kept, ...this.plane.inside(lasso)]);
      this.announce();
    } else if (!drag.far) {
      const row = this.plane.at(...drag.at);
      if (row < 0) return void (event.shiftKey || this.select([]));
      this.cursor = row;
      if (event.shiftKey) this.toggle(row);
      else this.select([row]);
    }
  }

  drop() {
    this.drag = null;
    this.lasso = null;
    this.plane.refresh();
  }

  // The wheel zooms a map that was clicked into; else the page scrolls on.
  wheel(event) {
    if (document.activeElement !== this.canvas && !event.ctrlKey && !event.metaKey) return;
    event.preventDefault();
    this.plane.zoomAt(...this.place(event), Math.exp(-Math.max(-60, Math.min(60, event.deltaY)) / 200));
    this.hover(-1);
  }

  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    this.keyed = true; // the place of the keys is drawn for those who use them
    const arrows = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    const keys = {
      Enter: () => this.enter(event.shiftKey), " ": () => this.enter(event.shiftKey), Escape: () => this.escape(),
      "+": () => this.plane.zoomAt(this.plane.width / 2, this.plane.height / 2, 1.25), "=": () => this.plane.zoomAt(this.plane.width / 2, this.plane.height / 2, 1.25),
      "-": () => this.plane.zoomAt(this.plane.width / 2, this.plane.height / 2, 0.8), 0: () => this.plane.reset(),
    };
    if (arrows[event.key]) {
      const [dx, dy] = arrows[event.key];
      if (event.shiftKey) this.plane.pan(-STEP * dx, -STEP * dy);
      else this.walk(dx, dy);
    } else if (keys[event.key]) keys[event.key]();
    else return;
    event.preventDefault();
  }

  walk(dx, dy) {
    this.cursor = this.plane.neighbour(this.cursor, dx, dy);
    if (this.cursor < 0) return;
    this.plane.reveal(this.cursor);
    this.hover(this.cursor);
    this.say(this.data.words(this.cursor));
  }

  enter(adding) {
    if (this.cursor < 0) return;
    if (adding) this.toggle(this.cursor);
    else this.select([this.cursor]);
    this.announce();
  }

  escape() {
    this.drop();
    this.hover(-1);
    this.select([]);
    this.announce();
  }

  announce() {
    this.say(`${many(this.model.get("selection").length, "image")} selected.`);
  }

  // --- what lies under the pointer

  hover(row) {
    if (row === this.hovered) return;
    this.hovered = row;
    this.canvas.classList.toggle("vk-on-point", row >= 0);
    this.plane.refresh();
    this.tip.hidden = row < 0;
    if (row < 0) return;
    const [x, y] = [this.plane.screenX(row), this.plane.screenY(row)];
    const cross = this.data.infrared[row];
    const head = make("div", { class: "vk-tip-head" }, mark(cross === 1, this.scene.modalityColours[cross], 11), this.scene.bands[cross]);
    const file = make("div", { class: "vk-file" });
    this.tip.replaceChildren(this.pictures.place(row, this.data.words(row)), make("div", {}, head, ...this.facts(row).slice(0, 2).map((fact) => make("div", {}, fact)), file));
    this.tip.dataset.row = row;
    this.pictures.need(row).then((entry) => { if (entry.path) file.textContent = entry.path; });
    this.tip.style.left = x < this.plane.width / 2 ? `${x + 14}px` : "auto";
    this.tip.style.right = x < this.plane.width / 2 ? "auto" : `${this.plane.width - x + 14}px`;
    this.tip.style.top = `${Math.max(4, Math.min(y - 60, this.plane.height - 176))}px`;
  }

  // --- what is drawn over the points

  decorate(pen) {
    this.drawLines(pen);
    const ring = (row, colour, extra, width) => {
      if (row < 0 || !this.plane.placed(row)) return;
      pen.beginPath();
      pen.arc(this.plane.screenX(row), this.plane.screenY(row), this.plane.radius + extra, 0, 2 * Math.PI);
      pen.strokeStyle = "#ffffff";
      pen.lineWidth = width + 2;
      pen.stroke();
      pen.strokeStyle = colour;
      pen.lineWidth = width;
      pen.stroke();
    };
    const chosen = this.plane.chosen;
    if (chosen.size <= MANY) for (const row of chosen) ring(row, INK, 1.5, 1);
    ring(this.hovered, INK, 4, 1.8);
    ring(this.pointed, "#b10b6b", 6, 2.5);
    if (this.keyed && document.activeElement === this.canvas) ring(this.cursor, INK, 7, 1.2);
    if (!this.lasso) return;
    pen.beginPath();
    this.lasso.forEach(([x, y]) => pen.lineTo(x, y));
    pen.closePath();
    pen.fillStyle = "rgba(34, 34, 34, 0.07)";
    pen.fill();
    pen.setLineDash([5, 4]);
    pen.strokeStyle = INK;
    pen.lineWidth = 1.4;
    pen.stroke();
    pen.setLineDash([]);
  }

  // From each picture to all of the same person in the other band: long lines are a gap that one can see.
  drawLines(pen) {
    const mode = this.model.get("lines");
    const rows = mode === "selected people" ? [...this.plane.chosen] : mode === "off" ? [] : [this.hovered, this.pointed].filter((row) => row >= 0);
    const people = counted(rows, this.data.identities).slice(0, FEW).map(([person]) => person);
    if (!people.length) return;
    pen.lineWidth = 1;
    for (const person of people) {
      const own = this.people[person].filter((row) => this.plane.placed(row));
      const seen = own.filter((row) => !this.data.infrared[row]);
      const unseen = own.filter((row) => this.data.infrared[row]);
      const [from, to] = seen.length && unseen.length ? [seen, unseen] : [own.slice(0, 1), own.slice(1)];
      // Many lines lie on one another: the more there are, the fainter each.
      pen.strokeStyle = `rgba(34, 34, 34, ${Math.max(0.04, Math.min(0.4, 5 / (from.length * to.length)))})`;
      pen.beginPath();
      for (const one of from) for (const other of to) {
        pen.moveTo(this.plane.screenX(one), this.plane.screenY(one));
        pen.lineTo(this.plane.screenX(other), this.plane.screenY(other));
      }
      pen.stroke();
    }
  }

  close() {
    this.closed = true;
    clearInterval(this.clock);
    this.cleanups.forEach((action) => action());
    if (this.plane) this.plane.close();
    this.pictures.close();
    this.kernel.close();
  }
}

function render({ model, el }) {
  const explorer = new Explorer(model, el);
  return () => explorer.close();
}

export default { render };
