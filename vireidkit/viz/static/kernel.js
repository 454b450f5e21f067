// What both widgets use: elements, questions to the kernel, and the pictures it sends. Nothing here reaches for the network.

const INK = "#222222";
const PICTURE_BYTES = 10 << 20; // kept in the page; the ones not looked at longest go
const PICTURES_AT_ONCE = 48;
const STOCK = 0.97; // share of these bytes that is filled ahead of need
const SPELL = 35; // milliseconds that one batch of the stock should take the kernel; as long a pause follows
const STOCK_TIME = 60000; // milliseconds of the kernel's time after which the stock must do
const PATIENCE = 4000; // milliseconds without an answer after which the view says so

// make("button", {type: "button", "aria-label": "zoom in"}, "+")
function make(tag, settings = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(settings)) {
    if (value === undefined || value === null) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "class") element.className = value;
    else if (typeof value === "boolean") element.toggleAttribute(name, value);
    else element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

function many(number, word, plural) {
  return `${number.toLocaleString("en")} ${number === 1 ? word : plural || word + "s"}`;
}

function percent(part, whole) {
  return whole ? `${Math.round((100 * part) / whole)} %` : "unknown";
}

// A copy at an address that a typed array may begin at.
function typed(Kind, view) {
  return new Kind(view.buffer.slice(view.byteOffset, view.byteOffset + view.byteLength));
}

// Questions and answers by number. Several views of one widget hear every message, and each takes its own.
class Kernel {
  constructor(model, onSilence = () => {}) {
    this.model = model;
    this.waiting = new Map();
    this.own = Math.random().toString(36).slice(2);
    this.count = 0;
    this.onSilence = onSilence;
    this.hear = (message, buffers) => {
      const waiting = this.waiting.get(message && message.number);
      if (!waiting) return;
      this.waiting.delete(message.number);
      clearTimeout(waiting.clock);
      this.onSilence(false);
      if (message.error) waiting.reject(new Error(message.error));
      else waiting.resolve([message, buffers || []]);
    };
    model.on("msg:custom", this.hear);
  }

  ask(what, fields = {}) {
    const number = `${this.own}-${this.count++}`;
    return new Promise((resolve, reject) => {
      const clock = setTimeout(() => this.onSilence(true), PATIENCE);
      this.waiting.set(number, { resolve, reject, clock });
      this.model.send({ ask: what, number, ...fields });
    });
  }

  close() {
    this.model.off("msg:custom", this.hear);
    for (const { clock } of this.waiting.values()) clearTimeout(clock);
    this.waiting.clear();
  }
}

// Pictures by row, asked for in batches, the last wanted first.
class Pictures {
  constructor(kernel) {
    this.kernel = kernel;
    this.kept = new Map(); // row -> {url, bytes, path, reason}, the longest unused first
    this.wanted = new Map(); // row -> resolvers
    this.bytes = 0;
    this.cost = 2; // milliseconds that a picture takes the kernel
    this.running = 0;
    this.timer = null;
    this.onTake = () => {}; // how many are there now
  }

  has(row) {
    return this.kept.has(row);
  }

  // {url or null, path, reason}
  need(row) {
    const kept = this.kept.get(row);
    if (kept) {
      this.kept.delete(row);
      this.kept.set(row, kept);
      return Promise.resolve(kept);
    }
    return new Promise((resolve) => {
      const others = this.wanted.get(row) || [];
      this.wanted.delete(row);
      this.wanted.set(row, [...others, resolve]);
      // One turn later, so that a panel's pictures go in one batch.
      if (this.timer === null) this.timer = setTimeout(() => this.pump(), 0);
    });
  }

  // Fetch these rows ahead of need, a few at a time and only while nothing else is wanted, so that a pointer finds its picture there.
  stock(rows) {
    const left = [...rows];
    let spent = 0;
    const next = () => {
      if (this.closed || !left.length || this.bytes > STOCK * PICTURE_BYTES || spent > STOCK_TIME) return;
      if (this.running || this.wanted.size || document.hidden) {
        this.later = setTimeout(next, SPELL);
        return;
      }
      const batch = [];
      const size = Math.max(4, Math.min(PICTURES_AT_ONCE, Math.round(SPELL / this.cost)));
      while (left.length && batch.length < size) {
        const row = left.pop();
        if (!this.kept.has(row)) batch.push(row);
      }
      Promise.all(batch.map((row) => this.need(row))).then(() => {
        spent += batch.length * this.cost;
        this.later = setTimeout(next, Math.min(1000, batch.length * this.cost));
      });
    };
    this.later = setTimeout(next, 300);
  }

  pump() {
    this.timer = null;
    while (this.running < 2 && this.wanted.size) {
      const batch = [...this.wanted.keys()].slice(-PICTURES_AT_ONCE);
      const resolvers = new Map(batch.map((row) => [row, this.wanted.get(row)]));
      batch.forEach((row) => this.wanted.delete(row));
      this.running += 1;
      this.kernel
        .ask("pictures", { rows: batch })
        .then(([reply, buffers]) => this.take(batch, reply, buffers, resolvers))
        .catch((error) => batch.forEach((row) => resolvers.get(row).forEach((done) => done({ url: null, path: "", reason: error.message }))))
        .finally(() => {
          this.running -= 1;
          this.pump();
        });
    }
  }

  take(batch, reply, buffers, resolvers) {
    this.cost = Math.max(0.05, reply.cost);
    const place = new Map(reply.rows.map((row, index) => [row, index]));
    for (const row of batch) {
      const buffer = buffers[place.get(row)];
      const url = buffer ? URL.createObjectURL(new Blob([buffer], { type: "image/webp" })) : null;
      const entry = { url, bytes: buffer ? buffer.byteLength : 0, path: reply.paths[row] || "", reason: reply.missing[row] || "" };
      this.kept.set(row, entry);
      this.bytes += entry.bytes;
      resolvers.get(row).forEach((done) => done(entry));
    }
    for (const [row, entry] of this.kept) {
      if (this.bytes <= PICTURE_BYTES) break;
      this.kept.delete(row);
      this.bytes -= entry.bytes;
      if (entry.url) URL.revokeObjectURL(entry.url);
    }
    this.onTake(this.kept.size);
  }

  // A place that shows the picture of a row once it is there: <img>, or a grey place that says it is missing.
  place(row, words, settings = {}) {
    const frame = make("span", { class: "vk-picture vk-waiting", "data-row": row, ...settings });
    const fill = (entry) => {
      frame.classList.remove("vk-waiting");
      if (entry.url) frame.prepend(make("img", { src: entry.url, alt: words, draggable: "false" }));
      else {
        frame.classList.add("vk-missing");
        frame.prepend(make("span", { class: "vk-missing-text", role: "img", "aria-label": `${words}, picture missing` }, "picture missing"));
        if (entry.reason) frame.title = entry.reason;
      }
    };
    const kept = this.kept.get(row);
    if (kept) fill(kept);
    else this.need(row).then(fill);
    return frame;
  }

  close() {
    this.closed = true;
    clearTimeout(this.timer);
    clearTimeout(this.later);
    for (const entry of this.kept.values()) if (entry.url) URL.revokeObjectURL(entry.url);
    this.kept.clear();
    this.wanted.clear();
  }
}

// A switch: label and <select>. set(options, value) fills it.
function choice(label, onchange, id) {
  const select = make("select", { id, onchange: () => onchange(select.value) });
  const element = make("span", { class: "vk-choice" }, make("label", { for: id }, label), select);
  return {
    element,
    select,
    set(options, value) {
      select.replaceChildren(...options.map((option) => {
        const [text, own] = Array.isArray(option) ? option : [option, option];
        return make("option", { value: own }, text);
      }));
      select.value = value;
    },
  };
}

// Keys that belong to the widget must not also be JupyterLab's, which moves between cells by arrows and Enter.
function keepKeys(root) {
  root.setAttribute("data-lm-suppress-shortcuts", "true");
  const keep = (event) => event.stopPropagation();
  root.addEventListener("keydown", keep);
  return () => root.removeEventListener("keydown", keep);
}

// Leave what was made here as a file on the user's disk; nothing is uploaded.
function download(name, kind, bytes) {
  const url = URL.createObjectURL(new Blob([bytes], { type: kind }));
  make("a", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 1000);
}
