// A map of points on one canvas: pressed from ready-made stamps into a sheet of pixels, found again through a grid.

const MARGIN = 18; // pixels around the points at the first zoom
const MOVE = 450; // milliseconds from one layout to the next

class Plane {
  constructor(canvas, infrared) {
    this.canvas = canvas;
    this.pen = canvas.getContext("2d");
    this.infrared = infrared;
    this.count = infrared.length;
    this.points = new Float32Array(2 * this.count).fill(NaN);
    this.codes = new Uint8Array(this.count);
    this.colours = ["#888888"];
    this.kept = [false];
    this.chosen = new Set();
    this.zoom = 1;
    this.shiftX = 0;
    this.shiftY = 0;
    this.dirty = true;
    this.stamps = new Map();
    this.shuffled = shuffle(this.count);
    this.order = this.shuffled;
    this.decorate = () => {};
    this.pending = 0;
    this.moving = null;
    this.resize();
  }

  get radius() {
    return Math.min(5, Math.max(2.2, 130 / Math.sqrt(this.count))) * Math.min(1.8, Math.pow(this.zoom, 0.25));
  }

  resize() {
    const ratio = window.devicePixelRatio || 1;
    this.width = this.canvas.clientWidth || 600;
    this.height = this.canvas.clientHeight || 480;
    this.canvas.width = Math.round(this.width * ratio);
    this.canvas.height = Math.round(this.height * ratio);
    this.sheet = this.pen.createImageData(this.canvas.width, this.canvas.height); // the points, kept until something moves
    this.pixels = new Uint32Array(this.sheet.data.buffer);
    this.ratio = ratio;
    this.stamps.clear();
    this.touch();
  }

  // Pixels of one unit of the layout.
  get unit() {
    return (Math.min(this.width, this.height) / 2 - MARGIN) * this.zoom;
  }

  screenX(row) {
    return this.width / 2 + this.shiftX + this.points[2 * row] * this.unit;
  }

  screenY(row) {
    return this.height / 2 + this.shiftY + this.points[2 * row + 1] * this.unit;
  }

  placed(row) {
    return this.points[2 * row] === this.points[2 * row] && this.points[2 * row + 1] === this.points[2 * row + 1];
  }

  // Other coordinates; the points travel there unless the reader asked for less motion.
  lay(points, animate) {
    const still = !animate || window.matchMedia("(prefers-reduced-motion: reduce)").matches;
    if (still || !this.points.length) {
      this.moving = null;
      this.points = points;
    } else {
      this.moving = { from: this.points, to: points, began: performance.now() };
      this.points = new Float32Array(points);
    }
    this.grid = new Grid(points, this.count);
    this.touch();
  }

  // Groups of points: their codes and colours. Points of the colour ``rest`` lie below the others; with ``keep`` a selection
  // fades only them.
  paint(codes, colours, rest, keep = false) {
    this.kept = colours.map((colour) => keep && colour !== rest);
    this.codes = codes;
    this.colours = colours;
    const below = (row) => colours[codes[row]] === rest;
    this.order = Int32Array.from([...this.shuffled.filter(below), ...this.shuffled.filter((row) => !below(row))]);
    this.touch();
  }

  choose(rows) {
    this.chosen = new Set(rows);
    this.touch();
  }

  touch() {
    this.dirty = true;
    this.refresh();
  }

  refresh() {
    if (!this.pending) this.pending = requestAnimationFrame(() => this.draw());
  }

  draw() {
    this.pending = 0;
    if (this.moving) this.step();
    if (this.dirty) this.drawPoints();
    const pen = this.pen;
    pen.putImageData(this.sheet, 0, 0);
    pen.setTransform(this.ratio, 0, 0, this.ratio, 0, 0);
    this.decorate(pen);
    if (this.moving) this.touch();
  }

  step() {
    const { from, to, began } = this.moving;
    const done = Math.min(1, (performance.now() - began) / MOVE);
    const share = done * done * (3 - 2 * done);
    for (let i = 0; i < to.length; i++) this.points[i] = from[i] === from[i] ? from[i] + share * (to[i] - from[i]) : to[i];
    if (done === 1) {
      this.points = to;
      this.moving = null;
    }
  }

  drawPoints() {
    this.dirty = false;
    this.pixels.fill(0xffffffff);
    if (!this.chosen.size) {
      this.press(this.order, 0.85);
      return;
    }
    const faded = (row) => !this.chosen.has(row) && !this.kept[this.codes[row]];
    this.press(this.order.filter(faded), 0.28);
    this.press(this.order.filter((row) => !this.chosen.has(row) && !faded(row)), 0.85);
    this.press(this.order.filter((row) => this.chosen.has(row)), 1);
  }

  // Ten thousand calls of the canvas take 50 ms where no graphics card helps; writing the few pixels of each point takes 5.
  press(rows, alpha) {
    const stamps = this.colours.map((colour) => [0, 1].map((cross) => this.stamp(colour, cross, alpha)));
    const { points, infrared, codes, ratio } = this;
    const { width, height } = this.sheet;
    const unit = this.unit * ratio;
    const half = stamps.length ? stamps[0][0].size / 2 : 0;
    const left = (this.width / 2 + this.shiftX) * ratio - half + 0.5;
    const top = (this.height / 2 + this.shiftY) * ratio - half + 0.5;
    for (let i = 0; i < rows.length; i++) {
      const row = rows[i];
      const x = Math.floor(left + points[2 * row] * unit);
      const y = Math.floor(top + points[2 * row + 1] * unit);
      // Written so that a point without a place (NaN) is passed over.
      if (x > -2 * half && y > -2 * half && x < width && y < height) this.pressOne(stamps[codes[row]][infrared[row]], x, y);
    }
  }

  pressOne({ size, count, dx, dy, red, green, blue, cover }, x, y) {
    const { pixels } = this;
    const { width, height } = this.sheet;
    const within = x >= 0 && y >= 0 && x + size <= width && y + size <= height;
    for (let p = 0; p < count; p++) {
      const column = x + dx[p];
      const line = y + dy[p];
      if (!within && (column < 0 || line < 0 || column >= width || line >= height)) continue;
      const place = line * width + column;
      const under = pixels[place];
      const r = under & 255;
      const g = (under >> 8) & 255;
      const b = (under >> 16) & 255;
      const share = cover[p];
      pixels[place] = (0xff000000 | ((b + (((blue[p] - b) * share) >> 8)) << 16) | ((g + (((green[p] - g) * share) >> 8)) << 8) | (r + (((red[p] - r) * share) >> 8))) >>> 0;
    }
  }

  stamp(colour, cross, alpha) {
    const radius = this.radius * this.ratio;
    const key = `${colour} ${cross} ${alpha} ${radius.toFixed(2)}`;
    if (!this.stamps.has(key)) {
      if (this.stamps.size > 400) this.stamps.clear();
      this.stamps.set(key, pixelsOf(drawnStamp(colour, cross, alpha, radius)));
    }
    return this.stamps.get(key);
  }

  // The row under a place, or -1.
  at(x, y, reach = 12) {
    if (!this.grid) return -1;
    const unit = this.unit;
    return this.grid.nearest((x - this.width / 2 - this.shiftX) / unit, (y - this.height / 2 - this.shiftY) / unit, reach / unit);
  }

  // Rows inside a closed line [[x, y], ...].
  inside(line) {
    const xs = line.map(([x]) => x);
    const ys = line.map(([, y]) => y);
    const [low, high, top, bottom] = [Math.min(...xs), Math.max(...xs), Math.min(...ys), Math.max(...ys)];
    const found = [];
    for (let row = 0; row < this.count; row++) {
      const x = this.screenX(row);
      const y = this.screenY(row);
      if (!(x >= low && x <= high && y >= top && y <= bottom)) continue;
      let within = false;
      for (let i = 0, j = line.length - 1; i < line.length; j = i++) {
        if (ys[i] > y !== ys[j] > y && x < ((xs[j] - xs[i]) * (y - ys[i])) / (ys[j] - ys[i]) + xs[i]) within = !within;
      }
      if (within) found.push(row);
    }
    return found;
  }

  // The next point from a row to one side; (dx, dy) is a direction. The one itself where there is none.
  neighbour(row, dx, dy) {
    if (row < 0) return this.middle();
    const x = this.screenX(row);
    const y = this.screenY(row);
    let best = row;
    let least = Infinity;
    for (let other = 0; other < this.count; other++) {
      const aside = this.screenX(other) - x;
      const below = this.screenY(other) - y;
      const along = aside * dx + below * dy;
      const across = Math.abs(aside * dy) + Math.abs(below * dx);
      if (!(along > 0.01) || across > 2 * along) continue;
      const cost = along + 2 * across;
      if (cost < least) [best, least] = [other, cost];
    }
    return best;
  }

  middle() {
    let best = -1;
    let least = Infinity;
    for (let row = 0; row < this.count; row++) {
      const away = Math.hypot(this.screenX(row) - this.width / 2, this.screenY(row) - this.height / 2);
      if (away < least) [best, least] = [row, away];
    }
    return best;
  }

  zoomAt(x, y, factor) {
    const zoom = Math.min(60, Math.max(0.5, this.zoom * factor));
    const share = zoom / this.zoom;
    this.shiftX = x - this.width / 2 - share * (x - this.width / 2 - this.shiftX);
    this.shiftY = y - this.height / 2 - share * (y - this.height / 2 - this.shiftY);
    this.zoom = zoom;
    this.touch();
  }

  pan(dx, dy) {
    this.shiftX += dx;
    this.shiftY += dy;
    this.touch();
  }

  reset() {
    this.zoom = 1;
    this.shiftX = 0;
    this.shiftY = 0;
    this.touch();
  }

  // Bring a row into the canvas.
  reveal(row) {
    const x = this.screenX(row);
    const y = this.screenY(row);
    const dx = x < 20 ? 60 - x : x > this.width - 20 ? this.width - 60 - x : 0;
    const dy = y < 20 ? 60 - y : y > this.height - 20 ? this.height - 60 - y : 0;
    if (dx || dy) this.pan(dx, dy);
  }

  close() {
    cancelAnimationFrame(this.pending);
  }
}

// Rows in an order that hides no group behind another, the same every time.
function shuffle(count) {
  const order = Int32Array.from({ length: count }, (_, row) => row);
  let state = 12345;
  for (let i = count - 1; i > 0; i--) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    const j = state % (i + 1);
    [order[i], order[j]] = [order[j], order[i]];
  }
  return order;
}

// One marker on a canvas of its own: a disc for visible, a cross for infrared.
function drawnStamp(colour, cross, alpha, radius) {
  const size = 2 * Math.ceil(radius + 1.5);
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = size;
  const pen = canvas.getContext("2d", { willReadFrequently: true });
  pen.globalAlpha = alpha;
  pen.translate(size / 2, size / 2);
  if (cross) {
    const arm = radius * 0.82;
    pen.strokeStyle = colour;
    pen.lineWidth = Math.max(1.2, radius * 0.48);
    pen.beginPath();
    pen.moveTo(-arm, -arm);
    pen.lineTo(arm, arm);
    pen.moveTo(arm, -arm);
    pen.lineTo(-arm, arm);
    pen.stroke();
  } else {
    pen.beginPath();
    pen.arc(0, 0, radius, 0, 2 * Math.PI);
    pen.fillStyle = colour;
    pen.fill();
    pen.strokeStyle = "#ffffff";
    pen.lineWidth = Math.max(0.5, radius * 0.16);
    pen.stroke();
  }
  return canvas;
}

// The pixels of a marker that are not empty: place, colour and how much they cover, 0 to 256.
function pixelsOf(canvas) {
  const size = canvas.width;
  const { data } = canvas.getContext("2d").getImageData(0, 0, size, size);
  const seen = [];
  for (let place = 0; place < size * size; place++) if (data[4 * place + 3] > 2) seen.push(place);
  const column = (value) => Int32Array.from(seen, value);
  return {
    size,
    count: seen.length,
    dx: column((place) => place % size),
    dy: column((place) => Math.floor(place / size)),
    red: column((place) => data[4 * place]),
    green: column((place) => data[4 * place + 1]),
    blue: column((place) => data[4 * place + 2]),
    cover: column((place) => Math.round((data[4 * place + 3] * 256) / 255)),
  };
}

// Points sorted into square cells, so that only a few are looked at.
class Grid {
  constructor(points, count) {
    let [low, high] = [Infinity, -Infinity];
    for (const value of points) if (value === value) [low, high] = [Math.min(low, value), Math.max(high, value)];
    if (low > high) [low, high] = [0, 1]; // nothing has a place
    this.points = points;
    this.low = low;
    this.side = Math.max(1, Math.min(256, Math.floor(Math.sqrt(count / 2))));
    this.step = (high - low) / this.side || 1;
    const cells = new Int32Array(count).fill(-1);
    this.starts = new Int32Array(this.side * this.side + 1);
    for (let row = 0; row < count; row++) {
      if (points[2 * row] !== points[2 * row] || points[2 * row + 1] !== points[2 * row + 1]) continue;
      cells[row] = this.cell(points[2 * row + 1]) * this.side + this.cell(points[2 * row]);
      this.starts[cells[row] + 1] += 1;
    }
    for (let cell = 0; cell < this.side * this.side; cell++) this.starts[cell + 1] += this.starts[cell];
    const next = this.starts.slice();
    this.rows = new Int32Array(this.starts[this.side * this.side]);
    for (let row = 0; row < count; row++) if (cells[row] >= 0) this.rows[next[cells[row]]++] = row;
  }

  cell(value) {
    return Math.min(this.side - 1, Math.max(0, Math.floor((value - this.low) / this.step)));
  }

  // Calls found(row, squared distance) for every row within reach.
  visit(x, y, reach, found) {
    for (let line = this.cell(y - reach); line <= this.cell(y + reach); line++) {
      for (let column = this.cell(x - reach); column <= this.cell(x + reach); column++) {
        const cell = line * this.side + column;
        for (let i = this.starts[cell]; i < this.starts[cell + 1]; i++) {
          const row = this.rows[i];
          const away = (this.points[2 * row] - x) ** 2 + (this.points[2 * row + 1] - y) ** 2;
          if (away <= reach * reach) found(row, away);
        }
      }
    }
  }

  nearest(x, y, reach) {
    let best = -1;
    let least = Infinity;
    this.visit(x, y, reach, (row, away) => {
      if (away < least) [best, least] = [row, away];
    });
    return best;
  }
}
