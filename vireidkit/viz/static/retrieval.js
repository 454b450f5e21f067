// The retrieval browser: filters and queries on the left, answers on the right.

let browsers = 0;

class RetrievalView {
  constructor(model, el) {
    this.model = model;
    this.id = `vk-retrieval-${browsers++}`;
    this.root = make("div", { class: "vk vk-retrieval", role: "group", "aria-label": "retrieval browser" });
    this.status = make("p", { class: "vk-status", role: "status", "aria-live": "polite" }, "Asking the kernel …");
    this.root.append(this.status);
    el.append(this.root);
    this.kernel = new Kernel(model, (silent) => this.root.classList.toggle("vk-silent", silent));
    this.pictures = new Pictures(this.kernel);
    this.cleanups = [keepKeys(this.root)];
    this.history = [];
    this.filling = 0;
    this.showing = 0;
    this.kernel.ask("scene").then(([scene]) => this.build(scene)).catch((error) => this.say(error.message));
  }

  say(text) {
    this.status.textContent = text;
  }

  set(values) {
    for (const [name, value] of Object.entries(values)) this.model.set(name, value);
    this.model.save_changes();
  }

  // What is asked about. A question may overtake the choices on their way to the kernel, so it names them.
  chosen(...names) {
    return Object.fromEntries(names.map((name) => [name, this.model.get(name)]));
  }

  build(scene) {
    if (this.closed) return;
    this.scene = scene;
    this.pair = new PairPanel(scene, this.pictures, this.kernel, {
      ask: (position, trial) => this.jump(position, trial),
      close: () => this.set({ answer_row: -1 }),
    });
    this.head = make("div", { class: "vk-query" });
    this.lists = make("div", { class: "vk-lists" });
    const body = make("div", { class: "vk-body" }, this.head, this.lists, this.pair.element);
    this.root.replaceChildren(make("div", { class: "vk-main" }, this.picker(), body), this.status);
    const follow = {
      "change:trial change:first change:order change:show change:camera change:modality change:identity change:second": () => this.fill(),
      "change:selection change:trial change:first change:second change:k": () => this.draw(),
      "change:answer_row": () => this.look(),
    };
    for (const [names, action] of Object.entries(follow)) {
      for (const name of names.split(" ")) {
        this.model.on(name, action);
        this.cleanups.push(() => this.model.off(name, action));
      }
    }
    this.fill();
    this.draw();
  }

  // --- queries

  picker() {
    const on = (name) => (value) => this.filter({ [name]: value });
    this.trial = choice("Trial", on("trial"), `${this.id}-trial`);
    this.trial.set(this.scene.trials, this.model.get("trial"));
    this.trial.element.hidden = this.scene.trials.length < 2;
    this.show = choice("Show", on("show"), `${this.id}-show`);
    this.order = choice("Order", on("order"), `${this.id}-order`);
    this.order.set(this.scene.orders, this.model.get("order"));
    this.camera = choice("Camera", on("camera"), `${this.id}-camera`);
    this.modality = choice("Modality", on("modality"), `${this.id}-modality`);
    this.people = make("datalist", { id: `${this.id}-people` });
    this.identity = make("input", { type: "text", id: `${this.id}-identity`, list: `${this.id}-people`, placeholder: "everybody", onchange: () => this.filter({ identity: this.identity.value.trim() }) });
    const person = make("span", { class: "vk-choice" }, make("label", { for: `${this.id}-identity` }, "Person"), this.identity, this.people);
    this.queries = make("select", { size: 14, class: "vk-queries", "aria-label": "queries", onchange: () => this.choose(Number(this.queries.value)) });
    this.counted = make("p", { class: "vk-hint" });
    const step = (way, words, text) => make("button", { type: "button", class: "vk-small", "aria-label": words, title: words, onclick: () => this.step(way) }, text);
    this.backButton = make("button", { type: "button", class: "vk-small", disabled: true, onclick: () => this.back() }, "Back");
    return make("div", { class: "vk-picker" }, this.trial.element, this.show.element, this.order.element, this.camera.element, this.modality.element, person, this.counted, this.queries,
      make("div", { class: "vk-row" }, step(-1, "previous query", "◀"), step(1, "next query", "▶"), this.backButton));
  }

  // A filter that the shown query does not pass moves on to the first that does.
  filter(values) {
    this.moveOn = true;
    this.set(values);
  }

  fill() {
    const own = ++this.filling;
    this.kernel.ask("queries", this.chosen("trial", "first", "second", "order", "show", "camera", "modality", "identity")).then(([found]) => {
      if (own !== this.filling) return;
      const [first, second] = [this.model.get("first"), this.model.get("second")];
      const names = (text) => text.replace("the first", first).replace("the second", second);
      this.show.set(this.scene.show.slice(0, second && second !== first ? 4 : 2).map((text) => [names(text), text]), this.model.get("show"));
      const all = (values) => [["all", ""], ...values.map((value) => [value, value])];
      this.camera.set(all(found.values.camera), this.model.get("camera"));
      this.camera.element.hidden = !this.scene.cameras;
      this.modality.set([["all", ""], ...found.values.modality.map((value) => [this.scene.bands[this.scene.modalities.indexOf(value)] || value, value])], this.model.get("modality"));
      this.modality.element.hidden = found.values.modality.length < 2;
      this.trial.select.value = this.model.get("trial");
      this.order.select.value = this.model.get("order");
      this.identity.value = this.model.get("identity");
      this.people.replaceChildren(...found.values.identity.map((value) => make("option", { value })));
      this.queries.replaceChildren(...found.query.map((position, place) => make("option", { value: position }, this.line(found, place))));
      this.listed = found.query;
      this.counted.textContent = found.query.length === found.all ? many(found.all, "query", "queries") : `${found.query.length.toLocaleString("en")} of ${many(found.all, "query", "queries")}`;
      if (!found.query.length) this.counted.textContent += ": no query passes these filters.";
      if (this.moveOn && found.query.length && !found.query.includes(this.model.get("selection"))) this.choose(found.query[0]);
      this.moveOn = false;
      this.queries.value = String(this.model.get("selection"));
    }).catch((error) => this.say(error.message));
  }

  line(found, place) {
    const camera = this.scene.cameras ? ` · c ${found.camera[place]}` : "";
    const rank = found.valid[place] ? `${found.first_hit[place] === 1 ? TICK : `${CROSS} rank ${found.first_hit[place]}`}` : "not in the gallery";
    return `p ${found.identity[place]}${camera} · ${rank}`;
  }

  choose(position) {
    if (position !== this.model.get("selection")) this.set({ selection: position, answer_row: -1 });
  }

  step(way) {
    if (!this.listed || !this.listed.length) return;
    const place = this.listed.indexOf(this.model.get("selection")) + way;
    this.choose(this.listed[Math.max(0, Math.min(this.listed.length - 1, place))]);
  }

  // A gallery picture asks: perhaps in another trial, whose queries the filters then must not hide.
  jump(position, trial) {
    this.history.push({ trial: this.model.get("trial"), selection: this.model.get("selection") });
    this.backButton.disabled = false;
    this.set({ trial, selection: position, answer_row: -1, camera: "", modality: "", identity: "", show: this.scene.show[0] });
  }

  back() {
    const last = this.history.pop();
    this.backButton.disabled = !this.history.length;
    if (last) this.set({ ...last, answer_row: -1 });
  }

  // --- answers

  draw() {
    const own = ++this.showing;
    this.queries.value = String(this.model.get("selection"));
    this.kernel.ask("lists", this.chosen("trial", "first", "second", "selection", "k")).then(([reply]) => {
      if (own !== this.showing) return;
      this.reply = reply;
      this.drawHead(reply.query);
      const focused = this.lists.contains(document.activeElement) ? document.activeElement.dataset.role : null;
      this.lists.replaceChildren(...reply.lists.map((list, side) => listPanel(this.scene, this.pictures, list, this.chooser(side), (row) => this.set({ answer_row: row }))));
      if (focused) this.lists.querySelector(`[data-role="${focused}"]`)?.focus();
      this.look();
      this.say(reply.lists.map((list) => `${list.method}: ${list.valid ? `first right at rank ${list.first_hit}` : "not in the gallery"}`).join("; "));
    }).catch((error) => this.say(error.message));
  }

  drawHead(query) {
    const band = this.scene.bands[this.scene.modalities.indexOf(query.modality)] || query.modality;
    const colour = this.scene.modalityColours[this.scene.modalities.indexOf(query.modality)] || INK;
    const places = choice("Places", (value) => this.set({ k: Number(value) }), `${this.id}-k`);
    places.set([...new Set([5, 10, 15, 20, 30, 50, this.model.get("k")])].sort((one, other) => one - other), this.model.get("k"));
    const save = (kind) => make("button", { type: "button", class: "vk-small", onclick: () => this.export(kind) }, `Save ${kind.toUpperCase()}`);
    const second = this.scene.methods.length > 1 && this.reply.lists.length === 1 ? make("button", { type: "button", class: "vk-small", onclick: () => this.set({ second: this.scene.methods.find((name) => name !== this.model.get("first")) }) }, "Compare with …") : null;
    this.head.replaceChildren(
      make("span", { class: "vk-asking", style: `border-color:${colour}` }, this.pictures.place(query.row, `query, person ${query.identity}`)),
      make("div", {}, make("h3", {}, `Query ${query.position}: person ${query.identity}`), make("div", {}, this.scene.cameras ? `camera ${query.camera}` : "camera unknown"), make("div", {}, band),
        make("div", { class: "vk-row vk-actions" }, places.element, save("png"), save("csv"), second)));
  }

  // Whose list this is, and the way to another.
  chooser(side) {
    const name = side === 0 ? "first" : "second";
    const switchTo = choice(side === 0 ? "Method" : "and", (value) => this.compare(name, value), `${this.id}-${name}`);
    const options = side === 0 ? this.scene.methods : [...this.scene.methods.filter((one) => one !== this.model.get("first")), ["one method only", ""]];
    switchTo.set(options, this.model.get(name));
    switchTo.select.dataset.role = name;
    return switchTo.element;
  }

  // The method of the other list changes places with this one.
  compare(name, value) {
    const other = name === "first" ? "second" : "first";
    const swapped = value && value === this.model.get(other) ? { [other]: this.model.get(name) } : {};
    this.set({ [name]: value, ...swapped });
  }

  look() {
    const row = this.model.get("answer_row");
    this.lists.querySelectorAll(".vk-answer").forEach((card) => card.setAttribute("aria-pressed", String(Number(card.dataset.row) === row)));
    if (row < 0 || !this.reply) this.pair.hide();
    else this.pair.show(this.reply, row);
  }

  export(kind) {
    this.say(`Making the ${kind.toUpperCase()} …`);
    this.kernel.ask("export", { kind }).then(([reply, [content]]) => {
      download(reply.name, reply.kind, content);
      this.say(`Saved ${reply.name}.`);
    }).catch((error) => this.say(error.message));
  }

  close() {
    this.closed = true;
    this.cleanups.forEach((action) => action());
    if (this.pair) this.pair.close();
    this.pictures.close();
    this.kernel.close();
  }
}

function render({ model, el }) {
  const view = new RetrievalView(model, el);
  return () => view.close();
}

export default { render };
