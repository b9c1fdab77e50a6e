// The cloud by level of detail: which cubes are drawn, which are fetched, and what is known of each point.
import { bytes } from "/page/api.js";
import { dot, minus } from "/page/camera.js";

const AT_ONCE = 4;  // cubes that are fetched at the same time
const MOST_LOADED = 8e6;  // points in graphics memory
const FINE = 1.2;  // pixels between points from which on a cube is fine enough

export class Cloud {
  /** @param scan its id. @param facts of it. @param cubes its levels of detail. @param changed is called when there is more to draw. */
  constructor(scan, facts, cubes, changed) {
    this.scan = scan;
    this.facts = facts;
    this.changed = changed;
    this.count = cubes.points;
    this.cubes = cubes.rows.map(([parent, start, count, x, y, z, size, spacing], number) =>
      ({ number, parent, start, count, corner: [x, y, z], size, spacing, children: [], state: "", used: 0 }));
    for (const cube of this.cubes) if (cube.parent >= 0) this.cubes[cube.parent].children.push(cube);
    this.things = new Int32Array(this.count).fill(-1);
    this.words = new Int16Array(this.count).fill(-1);
    this.confidence = new Uint8Array(this.count);
    this.marks = new Uint8Array(this.count);  // 1 = of the answer, 2 = selected
    this.loaded = 0;
    this.fetching = 0;
    this.wanted = [];
    this.clock = 0;
    this.upload = this.release = () => {};  // of the renderer
  }

  /** The cubes to draw, at most `budget` points, those that show most first; asks for those that are missing. */
  choose(camera, budget, low, high) {
    const { right, up, back } = camera.axes(), { focal } = camera.lens();
    const wide = innerWidth / focal, tall = innerHeight / focal;  // generous: the panel hides a part of it
    const rate = (cube) => {
      const half = cube.size / 2, radius = half * 1.7321;
      for (let k = 0; k < 3; k++) if (cube.corner[k] > high[k] || cube.corner[k] + cube.size < low[k]) return 0;
      const p = minus(cube.corner.map((c) => c + half), camera.target), depth = camera.distance - dot(p, back);
      if (depth < -radius) return 0;
      const far = Math.max(depth, 0);
      if (Math.abs(dot(p, right)) > far * wide + radius * (1 + wide) || Math.abs(dot(p, up)) > far * tall + radius * (1 + tall)) return 0;
      return cube.spacing * focal / Math.max(depth - radius, cube.size / 20);
    };
    const chosen = [], heap = [], missing = [];
    let points = 0;
    this.clock++;
    if (this.cubes.length) heap.push([1e9, this.cubes[0]]);
    while (heap.length) {
      let best = 0;
      for (let k = 1; k < heap.length; k++) if (heap[k][0] > heap[best][0]) best = k;
      const [[value, cube]] = heap.splice(best, 1);
      if (points + cube.count > budget && chosen.length) continue;
      points += cube.count;
      cube.used = this.clock;
      if (cube.state !== "ready") {
        missing.push(cube);
        continue;
      }
      chosen.push(cube);
      if (value > FINE) for (const child of cube.children) {
        const worth = rate(child);
        if (worth > 0) heap.push([worth, child]);
      }
    }
    const drawn = new Set(chosen);
    for (let k = chosen.length - 1; k >= 0; k--) {  // children before parents: they come later
      const cube = chosen[k], below = cube.children.filter((child) => drawn.has(child));
      const visible = cube.children.filter((child) => rate(child) > 0);
      cube.drawn = below.length && below.length === visible.length ? Math.max(...below.map((child) => child.drawn)) : cube.spacing;
    }
    this.wanted = missing;
    this.fetch();
    return chosen;
  }

  fetch() {
    while (this.fetching < AT_ONCE && this.wanted.length) {
      const cube = this.wanted.shift();
      if (cube.state === "") this.load(cube);
    }
  }

  async load(cube) {
    cube.state = "coming";
    this.fetching++;
    try {
      const content = await bytes(`/scans/${this.scan}/cubes/${cube.number}`), n = cube.count;
      cube.place = new Uint16Array(content, 0, 3 * n);
      cube.colors = new Uint8Array(content, 6 * n, 3 * n);
      cube.normals = this.facts.normals ? new Int8Array(content, 9 * n, 3 * n) : null;
      this.upload(cube);
      cube.state = "ready";
      this.loaded += n;
      this.forget();
    } catch (error) {
      cube.state = error.code === "gone" ? "" : "failed";
      this.failed?.(error);
    }
    this.fetching--;
    this.changed();
  }

  /** Gives up what was not drawn for long. */
  forget() {
    if (this.loaded <= MOST_LOADED) return;
    const old = this.cubes.filter((cube) => cube.state === "ready" && cube.used < this.clock).sort((a, b) => a.used - b.used);
    for (const cube of old) {
      if (this.loaded <= MOST_LOADED) break;
      this.release(cube);
      Object.assign(cube, { state: "", place: null, colors: null, normals: null });
      this.loaded -= cube.count;
    }
  }

  get settled() {
    return this.fetching === 0 && this.wanted.length === 0;
  }

  cubeOf(row) {
    let low = 0, high = this.cubes.length - 1;
    while (low < high) {
      const middle = low + high + 1 >> 1;
      if (this.cubes[middle].start <= row) low = middle;
      else high = middle - 1;
    }
    return this.cubes[low];
  }

  /** Scene coordinates of a point; null while its cube is not here. */
  position(row) {
    const cube = this.cubeOf(row), i = row - cube.start;
    return cube.place ? this.at(cube, i) : null;
  }

  at(cube, i) {
    return [0, 1, 2].map((k) => cube.corner[k] + cube.place[3 * i + k] / 65535 * cube.size);
  }

  /** Marks what is here of the points around some places; the service knows the others. */
  paint(center, radius, mask) {
    for (const cube of this.cubes) {
      if (cube.state !== "ready") continue;
      let gap = 0;
      for (let k = 0; k < 3; k++) gap += Math.max(0, cube.corner[k] - center[k], center[k] - cube.corner[k] - cube.size) ** 2;
      if (gap > radius * radius) continue;
      const q = center.map((c, k) => (c - cube.corner[k]) / cube.size * 65535), r = (radius / cube.size * 65535) ** 2;
      for (let i = 0; i < cube.count; i++) {
        const x = cube.place[3 * i] - q[0], y = cube.place[3 * i + 1] - q[1], z = cube.place[3 * i + 2] - q[2];
        if (x * x + y * y + z * z <= r) mask[cube.start + i] = 1;
      }
    }
  }

  /** Things, words and confidences of labels, as the service sends them. */
  take(content) {
    const n = this.count;
    this.things = new Int32Array(content, 0, n);
    this.words = new Int16Array(content, 4 * n, n);
    this.confidence = new Uint8Array(content, 6 * n, n);
  }

  mark(bit, mask) {
    for (let i = 0; i < this.count; i++) this.marks[i] = mask && mask[i] ? this.marks[i] | bit : this.marks[i] & ~bit;
  }
}
