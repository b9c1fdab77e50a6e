// Draws the cloud with WebGL 2, and says which point is at a place of the screen.
import { LIGHT, POINTS, ramp } from "/page/shaders.js";
import { minus } from "/page/camera.js";

export const MODES = ["colour", "words", "things", "confidence", "height"];
const WORDS_WIDE = 256, THINGS_WIDE = 1024, NOTHING = 0xffffffff;
const STILL = 160;  // milliseconds without motion after which everything is drawn

export class Renderer {
  constructor(canvas, cloud, camera, view) {
    Object.assign(this, { canvas, cloud, camera, view, screen: null, waiting: false, moved: -1e9, frames: 0, budget: 400000 });
    this.gl = canvas.getContext("webgl2", { antialias: false, alpha: false, powerPreference: "high-performance" });
    if (!this.gl) return;
    cloud.upload = (cube) => this.upload(cube);
    cloud.release = (cube) => this.release(cube);
    this.start();
    canvas.addEventListener("webglcontextlost", (event) => event.preventDefault());
    canvas.addEventListener("webglcontextrestored", () => { this.screen = null; this.start(); this.cloud.cubes.filter((c) => c.place).forEach((c) => this.upload(c)); this.draw(); });
  }

  start() {
    this.points = this.program(POINTS, ["place", "color", "normal", "ids"]);
    this.light = this.program(LIGHT, []);
    this.tables = { words: this.texture(), things: this.texture(), ramp: this.texture() };
    this.fill("ramp", 256, Array.from({ length: 256 }, (_, i) => [...ramp(i / 255), 255]));
    this.colors([[205, 208, 212, 255]], [[205, 208, 212, 255]]);
  }

  program([vertex, fragment], attributes) {
    const { gl } = this, made = gl.createProgram(), uniforms = {};
    for (const [kind, source] of [[gl.VERTEX_SHADER, vertex], [gl.FRAGMENT_SHADER, fragment]]) {
      const shader = gl.createShader(kind);
      gl.shaderSource(shader, source);
      gl.compileShader(shader);
      if (!gl.getShaderParameter(shader, gl.COMPILE_STATUS) && !gl.isContextLost()) throw new Error(gl.getShaderInfoLog(shader));
      gl.attachShader(made, shader);
    }
    attributes.forEach((name, place) => gl.bindAttribLocation(made, place, name));
    gl.linkProgram(made);
    if (!gl.getProgramParameter(made, gl.LINK_STATUS) && !gl.isContextLost()) throw new Error(gl.getProgramInfoLog(made));
    return { made, at: (name) => (uniforms[name] ??= gl.getUniformLocation(made, name)) };
  }

  texture() {
    const { gl } = this, made = gl.createTexture();
    gl.bindTexture(gl.TEXTURE_2D, made);
    for (const name of [gl.TEXTURE_MIN_FILTER, gl.TEXTURE_MAG_FILTER]) gl.texParameteri(gl.TEXTURE_2D, name, gl.NEAREST);
    return made;
  }

  fill(name, wide, colors) {
    const { gl } = this, tall = Math.max(1, Math.ceil(colors.length / wide)), data = new Uint8Array(4 * wide * tall);
    colors.forEach((color, i) => data.set(color, 4 * i));
    gl.bindTexture(gl.TEXTURE_2D, this.tables[name]);
    gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA8, wide, tall, 0, gl.RGBA, gl.UNSIGNED_BYTE, data);
  }

  /** Colours (r, g, b, shown 0 or 255) of words and things; the first of each is that of none. */
  colors(words, things) {
    this.fill("words", WORDS_WIDE, words);
    this.fill("things", THINGS_WIDE, things);
    this.draw();
  }

  // Buffers

  upload(cube) {
    const { gl } = this, n = cube.count;
    const wide = (data, fill) => {
      const made = new data.constructor(4 * n);
      for (let i = 0; i < n; i++) for (let c = 0; c < 3; c++) made[4 * i + c] = data[3 * i + c];
      return made;
    };
    cube.vao = gl.createVertexArray();
    gl.bindVertexArray(cube.vao);
    cube.buffers = [];
    const attribute = (place, data, size, type, whole) => {
      const buffer = gl.createBuffer();
      gl.bindBuffer(gl.ARRAY_BUFFER, buffer);
      gl.bufferData(gl.ARRAY_BUFFER, data, whole ? gl.DYNAMIC_DRAW : gl.STATIC_DRAW);
      gl.enableVertexAttribArray(place);
      if (whole) gl.vertexAttribIPointer(place, size, type, 0, 0);
      else gl.vertexAttribPointer(place, size, type, true, 4 * data.BYTES_PER_ELEMENT, 0);
      cube.buffers.push(buffer);
    };
    attribute(0, wide(cube.place), 3, gl.UNSIGNED_SHORT);
    attribute(1, wide(cube.colors), 4, gl.UNSIGNED_BYTE);
    if (cube.normals) attribute(2, wide(cube.normals), 3, gl.BYTE);
    attribute(3, this.ids(cube), 2, gl.UNSIGNED_INT, true);
    gl.bindVertexArray(null);
  }

  ids(cube) {
    const { things, words, confidence, marks } = this.cloud, ids = new Uint32Array(2 * cube.count);
    for (let i = 0, row = cube.start; i < cube.count; i++, row++) {
      ids[2 * i] = (things[row] + 1 | marks[row] << 24) >>> 0;
      ids[2 * i + 1] = (words[row] + 1 | confidence[row] << 16) >>> 0;
    }
    return ids;
  }

  release(cube) {
    cube.buffers.forEach((buffer) => this.gl.deleteBuffer(buffer));
    this.gl.deleteVertexArray(cube.vao);
  }

  /** Labels or marks have changed. */
  refresh() {
    const { gl } = this;
    for (const cube of this.cloud.cubes) {
      if (cube.state !== "ready") continue;
      gl.bindBuffer(gl.ARRAY_BUFFER, cube.buffers.at(-1));
      gl.bufferSubData(gl.ARRAY_BUFFER, 0, this.ids(cube));
    }
    this.draw();
  }

  // Frames

  fit() {
    const { gl, canvas } = this, ratio = Math.min(2, Math.max(1, devicePixelRatio || 1)) * (this.view.quality || 1);
    const width = Math.round(innerWidth * ratio), height = Math.round(innerHeight * ratio);
    if (this.screen && this.screen.width === width && this.screen.height === height) return;
    if (this.screen) [this.screen.picture, this.screen.rows, this.screen.depths].forEach((old) => gl.deleteTexture(old));
    canvas.width = width;
    canvas.height = height;
    const texture = (format, kind, type) => {
      const made = this.texture();
      gl.texImage2D(gl.TEXTURE_2D, 0, format, width, height, 0, kind, type, null);
      return made;
    };
    const picture = texture(gl.RGBA8, gl.RGBA, gl.UNSIGNED_BYTE);
    const rows = texture(gl.R32UI, gl.RED_INTEGER, gl.UNSIGNED_INT);
    const depths = texture(gl.DEPTH_COMPONENT24, gl.DEPTH_COMPONENT, gl.UNSIGNED_INT);
    const frame = this.screen ? this.screen.frame : gl.createFramebuffer();
    gl.bindFramebuffer(gl.FRAMEBUFFER, frame);
    const attach = (place, made) => gl.framebufferTexture2D(gl.FRAMEBUFFER, place, gl.TEXTURE_2D, made, 0);
    attach(gl.COLOR_ATTACHMENT0, picture);
    attach(gl.COLOR_ATTACHMENT1, rows);
    attach(gl.DEPTH_ATTACHMENT, depths);
    gl.drawBuffers([gl.COLOR_ATTACHMENT0, gl.COLOR_ATTACHMENT1]);
    this.screen = { width, height, ratio, picture, rows, depths, frame };
  }

  /** Something moves: fewer points until it is still again. */
  moving() {
    this.moved = performance.now();
    this.draw();
  }

  draw() {
    if (this.waiting || !this.gl) return;
    this.waiting = true;
    requestAnimationFrame((now) => {
      this.waiting = false;
      if (this.gl.isContextLost()) return;
      const moving = now - this.moved < STILL;
      this.render(moving ? Math.min(this.budget, this.view.budget) : this.view.budget);
      if (moving) {
        const spent = now - (this.last || 0);
        if (spent < 400) this.budget = Math.min(4e6, Math.max(60000, this.budget * (spent > 45 ? 0.8 : spent < 24 ? 1.15 : 1)));
        this.last = now;
        this.draw();  // until it is still, and once more with everything
      } else this.last = 0;
    });
  }

  render(budget) {
    this.fit();
    const { gl, camera, view, screen, points, light } = this, { width, height, ratio } = screen;
    const { right, up, back } = camera.axes(), { focal, x, y } = camera.lens();
    const far = camera.distance + 2 * camera.reach, range = [Math.max(far / 20000, camera.distance * 0.02), far];
    const cubes = this.cloud.choose(camera, budget, view.low, view.high);
    gl.viewport(0, 0, width, height);
    gl.bindFramebuffer(gl.FRAMEBUFFER, screen.frame);
    gl.enable(gl.DEPTH_TEST);
    gl.clearBufferfv(gl.COLOR, 0, [0, 0, 0, 0]);
    gl.clearBufferuiv(gl.COLOR, 1, [NOTHING, 0, 0, 0]);
    gl.clearBufferfv(gl.DEPTH, 0, [1]);
    gl.useProgram(points.made);
    const relative = { right, up, back, low: minus(view.low, camera.target), high: minus(view.high, camera.target) };
    for (const name in relative) gl.uniform3fv(points.at(name), relative[name]);
    gl.uniform4f(points.at("projection"), 2 * focal / innerWidth, 2 * focal / innerHeight, 2 * x / innerWidth - 1, 1 - 2 * y / innerHeight);
    gl.uniform2fv(points.at("range"), range);
    gl.uniform2fv(points.at("heights"), this.cloud.facts.heights.map((h) => h - camera.target[2]));
    gl.uniform1f(points.at("distance_"), camera.distance);
    gl.uniform1f(points.at("smallest"), Math.max(1, 1.3 * ratio * Math.min(1, view.size)));
    gl.uniform1i(points.at("mode"), MODES.indexOf(view.mode));
    gl.uniform1i(points.at("through"), view.both ? 0 : 1);
    gl.uniform1i(points.at("dim"), view.dim ? 1 : 0);
    ["words", "things", "ramp"].forEach((name, unit) => {
      gl.activeTexture(gl.TEXTURE0 + unit);
      gl.bindTexture(gl.TEXTURE_2D, this.tables[name]);
      gl.uniform1i(points.at(name), unit);
    });
    this.drawn = 0;
    for (const cube of cubes) {
      gl.bindVertexArray(cube.vao);
      if (!cube.normals) gl.vertexAttrib3f(2, 0, 0, 0);
      gl.uniform3fv(points.at("corner"), minus(cube.corner, camera.target));
      gl.uniform1f(points.at("edge"), cube.size);
      gl.uniform1i(points.at("first"), cube.start);
      gl.uniform1f(points.at("pixels"), view.size * 1.6 * cube.drawn * focal * ratio);
      gl.drawArrays(gl.POINTS, 0, cube.count);
      this.drawn += cube.count;
    }
    gl.bindVertexArray(null);
    this.shade(range, focal, ratio);
    this.frames++;
    this.after?.();
  }

  shade(range, focal, ratio) {
    const { gl, light, screen } = this;
    gl.bindFramebuffer(gl.FRAMEBUFFER, null);
    gl.disable(gl.DEPTH_TEST);
    gl.useProgram(light.made);
    [screen.picture, screen.depths].forEach((texture, unit) => {
      gl.activeTexture(gl.TEXTURE0 + unit);
      gl.bindTexture(gl.TEXTURE_2D, texture);
    });
    gl.uniform1i(light.at("picture"), 0);
    gl.uniform1i(light.at("depths"), 1);
    gl.uniform1i(light.at("rings"), this.view.rings ?? 3);
    gl.uniform2fv(light.at("range"), range);
    gl.uniform1f(light.at("focal"), focal * ratio);
    gl.uniform1f(light.at("ratio"), ratio);
    const hex = getComputedStyle(document.documentElement).getPropertyValue("--back").trim();
    gl.uniform3fv(light.at("empty"), [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16) / 255));
    gl.drawArrays(gl.TRIANGLES, 0, 3);
  }

  /** The point that is drawn nearest to a place of the screen, within `reach` CSS pixels: its place in the viewer's order, or -1. */
  pick(px, py, reach) {
    const { gl, screen } = this;
    if (!screen) return -1;
    const r = Math.ceil(reach * screen.ratio), side = 2 * r + 1;
    const x = Math.round(px * screen.ratio) - r, y = screen.height - 1 - Math.round(py * screen.ratio) - r;
    const rows = new Uint32Array(4 * side * side).fill(NOTHING);
    gl.bindFramebuffer(gl.FRAMEBUFFER, screen.frame);
    gl.readBuffer(gl.COLOR_ATTACHMENT1);
    gl.readPixels(x, y, side, side, gl.RGBA_INTEGER, gl.UNSIGNED_INT, rows);
    gl.bindFramebuffer(gl.FRAMEBUFFER, null);
    let best = -1, nearest = Infinity;
    for (let j = 0; j < side; j++) for (let i = 0; i < side; i++) {
      const row = rows[4 * (j * side + i)], away = (i - r) ** 2 + (j - r) ** 2;
      const inside = x + i >= 0 && y + j >= 0 && x + i < screen.width && y + j < screen.height;
      if (inside && row !== NOTHING && away < nearest) [best, nearest] = [row, away];
    }
    return best;
  }

  /** Milliseconds of each of some frames on a turn around the scan, waiting for each to be done; for measuring. */
  timed(count) {
    const { gl } = this, spent = [], pixel = new Uint8Array(4);
    for (let k = 0; k < count; k++) {
      this.camera.azimuth += 360 / count;
      const begin = performance.now();
      this.render(this.view.budget);
      gl.readPixels(0, 0, 1, 1, gl.RGBA, gl.UNSIGNED_BYTE, pixel);
      spent.push(performance.now() - begin);
    }
    return spent;
  }
}
