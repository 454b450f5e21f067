// Parts of the retrieval browser: one method's ranked list, and the pair of query and answer.

const TICK = "✓";
const CROSS = "✗";

// Three digits that tell, also where all distances are small.
function number(value) {
  if (value === null || value === undefined) return "unknown";
  return Math.abs(value) < 0.1 && value !== 0 ? value.toFixed(4) : value.toFixed(3);
}

// One gallery picture: never told apart by colour alone, since border style, mark and words say it too.
function answerCard(scene, pictures, list, place, onlook) {
  const removed = list.excluded[place];
  const right = list.correct[place];
  const camera = scene.cameras ? `, camera ${list.camera[place]}` : "";
  const band = scene.bands[scene.modalities.indexOf(list.modality[place])];
  const about = `person ${list.identity[place]}${camera}, ${band}`;
  const verdict = removed ? "removed by the camera rule" : `rank ${list.rank[place]}, ${right ? "right person" : "someone else"}`;
  const kind = removed ? "vk-removed" : right ? "vk-right" : "vk-wrong";
  const head = removed ? "removed" : `${list.rank[place]} ${right ? TICK : CROSS}`;
  return make("button", {
    type: "button", class: `vk-answer ${kind}`, "data-row": list.row[place], "aria-label": `${verdict}: ${about}, distance ${number(list.distance[place])}`,
    title: `${verdict}\n${about}`, onclick: () => onlook(list.row[place]),
  },
    make("span", { class: "vk-verdict", "aria-hidden": "true" }, head),
    make("span", { class: "vk-frame" }, pictures.place(list.row[place], about)),
    make("span", { class: "vk-below", "aria-hidden": "true" }, `p ${list.identity[place]}${scene.cameras ? ` c ${list.camera[place]}` : ""}`, make("br"), `d ${number(list.distance[place])}`));
}

// A method's list under its switch.
function listPanel(scene, pictures, list, chooser, onlook) {
  const told = list.valid ? `first right: rank ${list.first_hit} · AP ${percent(list.ap, 1)}` : "the gallery holds no image of this person";
  const rule = list.removed ? ` · camera rule: ${many(list.removed, "gallery image")} removed` : "";
  const hidden = list.hidden ? make("p", { class: "vk-hint" }, `${many(list.hidden, "more removed image")} stood among these places.`) : null;
  const cards = list.row.map((_, place) => answerCard(scene, pictures, list, place, onlook));
  const grid = make("div", { class: "vk-answers", role: "group", "aria-label": `answers of ${list.method}` }, ...cards);
  grid.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    const next = step && cards[cards.indexOf(document.activeElement) + step];
    if (!next) return;
    next.focus();
    event.preventDefault();
  });
  return make("section", { class: "vk-list", "aria-label": list.method }, chooser, make("p", { class: "vk-told" }, told + rule), grid, hidden);
}

// Query and answer large, with the similarity map of each method that has one, and the way to ask back.
class PairPanel {
  // on: {ask(position, trial), close()}
  constructor(scene, pictures, kernel, on) {
    Object.assign(this, { scene, pictures, kernel, on });
    this.element = make("section", { class: "vk-card vk-pair", "aria-label": "pair", hidden: true });
    this.strength = 60;
    this.asked = 0;
    this.urls = [];
  }

  hide() {
    this.asked += 1;
    this.element.hidden = true;
  }

  show(reply, row) {
    const own = ++this.asked;
    this.urls.splice(0).forEach((url) => URL.revokeObjectURL(url));
    const query = reply.query;
    const seen = reply.lists.map((list) => ({ list, place: list.row.indexOf(row) })).filter(({ place }) => place >= 0);
    if (!seen.length) return this.hide();
    const { list, place } = seen[0];
    const camera = (value) => (this.scene.cameras ? `, camera ${value}` : "");
    const verdicts = seen.map((one) => {
      const rank = one.list.excluded[one.place] ? "removed" : `rank ${one.list.rank[one.place]}`;
      return make("div", {}, `${one.list.method}: ${rank}, distance ${number(one.list.distance[one.place])}`);
    });
    const figure = (title, content) => make("figure", {}, content, make("figcaption", {}, title));
    const back = make("button", { type: "button", class: "vk-small", disabled: true }, "Make it the query");
    const note = make("p", { class: "vk-hint" });
    this.kernel.ask("back", { row, trial: reply.trial }).then(([found]) => {
      if (own !== this.asked) return;
      if (found.position < 0) note.textContent = "No trial here asks with this picture.";
      else {
        back.disabled = false;
        back.addEventListener("click", () => this.on.ask(found.position, found.trial));
        if (found.trial !== reply.trial) note.textContent = `It asks in ${found.trial}.`;
      }
    }).catch((error) => { note.textContent = error.message; });
    const maps = seen.filter((one) => this.scene.maps.includes(one.list.method)).map((one) => this.map(own, one.list.method, query.row, row));
    const right = list.correct[place];
    this.element.replaceChildren(
      make("div", { class: "vk-row" }, make("h3", {}, right ? `Person ${query.identity}, found` : `Person ${query.identity} asked, this is person ${list.identity[place]}`), make("button", { type: "button", class: "vk-small", onclick: () => this.on.close() }, "Close")),
      make("div", { class: "vk-figures" },
        figure(`query: person ${query.identity}${camera(query.camera)}`, this.pictures.place(query.row, "query")),
        figure(`gallery: person ${list.identity[place]}${camera(list.camera[place])}`, this.pictures.place(row, "gallery picture")),
        ...maps,
        make("div", { class: "vk-facts" }, ...verdicts, back, note, maps.length ? this.dial() : make("p", { class: "vk-hint" }, "No similarity maps were given (map_of)."))));
    this.element.hidden = false;
    return undefined;
  }

  map(own, method, query, row) {
    const frame = this.pictures.place(row, "gallery picture", { style: `--vk-strength:${this.strength / 100}` });
    const caption = make("figcaption", {}, `map of ${method} …`);
    this.kernel.ask("map", { method, query_row: query, gallery_row: row }).then(([, [buffer]]) => {
      if (own !== this.asked) return;
      const url = URL.createObjectURL(new Blob([buffer], { type: "image/png" }));
      this.urls.push(url);
      frame.append(make("img", { class: "vk-heat", src: url, alt: `similarity map of ${method}` }));
      caption.textContent = `map of ${method}`;
    }).catch((error) => { caption.textContent = `no map of ${method}: ${error.message}`; });
    return make("figure", {}, frame, caption);
  }

  dial() {
    const slider = make("input", { type: "range", min: 0, max: 100, value: this.strength, "aria-label": "strength of the map" });
    slider.addEventListener("input", () => {
      this.strength = Number(slider.value);
      this.element.querySelectorAll(".vk-picture").forEach((frame) => frame.style.setProperty("--vk-strength", this.strength / 100));
    });
    return make("div", { class: "vk-dial" }, make("span", {}, "map strength"), slider, make("span", { class: "vk-colourbar", role: "img", "aria-label": "colour bar: dark is least, bright is most" }), make("span", { class: "vk-row vk-ends" }, make("span", {}, "agrees least"), make("span", {}, "most")));
  }

  close() {
    this.urls.forEach((url) => URL.revokeObjectURL(url));
  }
}
