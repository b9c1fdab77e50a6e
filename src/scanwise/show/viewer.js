"use strict";
const scan = JSON.parse(document.getElementById("data").textContent);
const $ = (id) => document.getElementById(id);
const canvas = $("canvas");

// ---- data -------------------------------------------------------------------------------------------
const bytes = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
const grid = new Uint16Array(bytes(scan.points).buffer);  // (N, 3) in 0..65535 of the bounding box
const facing = scan.normals ? new Int8Array(bytes(scan.normals).buffer) : null;
const count = grid.length / 3;
const decode = {
  rgb: (layer) => ({ rgb: bytes(layer.data) }),
  classes: (layer) => ({ index: layer.bits === 8 ? bytes(layer.data) : new Uint16Array(bytes(layer.data).buffer) }),
  objects: (layer) => ({ index: new Uint32Array(bytes(layer.data).buffer) }),
  scalar: (layer) => ({ value: bytes(layer.data) }),
};
const layers = scan.layers.map((layer) => ({ ...layer, ...decode[layer.kind](layer) }));
const classes = layers.find((layer) => layer.kind === "classes");
const things = layers.find((layer) => layer.kind === "objects");
const shown = classes ? classes.items.map(() => true) : [];
const viridis = [[68, 1, 84], [59, 82, 139], [33, 145, 140], [94, 201, 98], [253, 231, 37]];
const state = { layer: Math.max(0, layers.findIndex((layer) => layer.name === scan.first)), size: 1, cut: scan.cut, alone: -1 };

function ramp(t) {
  const at = Math.min(3.999, Math.max(0, t * 4)), i = Math.floor(at), f = at - i;
  return viridis[i].map((low, c) => Math.round(low + f * (viridis[i + 1][c] - low)));
}

/** Colours of objects, told apart by the golden angle; the last is that of none. */
function objectColors() {
  const hue = (h, k) => { const f = (k + h * 6) % 6; return 1 - Math.max(0, Math.min(1, f, 4 - f)); };
  const table = things.texts.map((_, i) => {
    const h = (0.11 + i * 0.618034) % 1, strong = [0.75, 0.5, 0.85][i % 3], light = [0.9, 0.98, 0.65][i % 3];
    return [5, 3, 1].map((k) => Math.round(255 * light * (1 - strong * (1 - hue(h, k)))));
  });
  return [...table, [205, 208, 212]];
}
const visible = (i) => (!classes || shown[classes.index[i]]) && (state.alone < 0 || things.index[i] === state.alone);

/** RGBA of every point in the present layer; alpha 0 hides a point. */
function paint() {
  const rgba = new Uint8Array(4 * count), layer = layers[state.layer];
  const table = layer.kind === "classes" ? layer.items.map((item) => item.color)
    : layer.kind === "objects" ? objectColors() : Array.from({ length: 256 }, (_, i) => ramp(i / 255));
  for (let i = 0; i < count; i++) {
    if (!visible(i)) continue;
    if (layer.kind === "rgb") {
      for (let c = 0; c < 3; c++) rgba[4 * i + c] = layer.rgb[3 * i + c];
    } else {
      const color = table[layer.kind === "scalar" ? layer.value[i] : layer.index[i]];
      for (let c = 0; c < 3; c++) rgba[4 * i + c] = color[c];
    }
    rgba[4 * i + 3] = 255;
  }
  return rgba;
}

// ---- camera -----------------------------------------------------------------------------------------
const HALF_VIEW = Math.tan(Math.PI / 9);  // of the shorter side's 40 degrees
const home = { azimuth: scan.view[0], elevation: scan.view[1], target: [...scan.center], distance: 0 };
const camera = { ...home };

function freeArea() {  // the part of the window that the panel leaves, in CSS pixels
  const box = $("sheet").getBoundingClientRect(), narrow = innerWidth <= 700;
  return narrow ? { width: innerWidth, height: Math.max(120, box.top) }
    : { width: Math.max(120, box.left), height: innerHeight };
}

function axes() {
  const a = camera.azimuth * Math.PI / 180, e = camera.elevation * Math.PI / 180;
  return {
    right: [-Math.sin(a), Math.cos(a), 0],
    up: [-Math.sin(e) * Math.cos(a), -Math.sin(e) * Math.sin(a), Math.cos(e)],
    back: [Math.cos(e) * Math.cos(a), Math.cos(e) * Math.sin(a), Math.sin(e)],
  };
}
const dot = (p, q) => p[0] * q[0] + p[1] * q[1] + p[2] * q[2];
const minus = (p, q) => [p[0] - q[0], p[1] - q[1], p[2] - q[2]];

/** Focal length and principal point in CSS pixels: the scene is centred in what the panel leaves free. */
function lens() {
  const area = freeArea();
  return { focal: Math.min(area.width, area.height) / 2 / HALF_VIEW, x: area.width / 2, y: area.height / 2 };
}

/** Back to the start, at the distance from which nearly all points are in the picture. */
function reset() {
  Object.assign(camera, home, { target: [...home.target] });
  const { right, up, back } = axes(), area = freeArea(), { focal } = lens(), needed = [];
  for (let i = 0; i < count; i += Math.ceil(count / 4000)) {
    const p = minus(position(i), home.target);
    const across = Math.abs(dot(p, right)) * focal / (area.width / 2);
    const along = Math.abs(dot(p, up)) * focal / (area.height / 2);
    needed.push(dot(p, back) + Math.max(across, along));
  }
  needed.sort((one, other) => one - other);
  camera.distance = Math.max(1.12 * (needed[Math.floor(0.98 * needed.length)] || 0), 0.05);
  draw();
}

// ---- drawing ----------------------------------------------------------------------------------------
const POINTS = [`#version 300 es
in vec3 place; in vec4 color; in vec3 normal;
uniform vec3 origin, extent, target, right, up, back;
uniform vec4 projection;  // 2 f / width, 2 f / height, shift x, shift y
uniform vec2 range; uniform float distance_, pixels, cut, smallest;
out vec3 tint;
void main() {
  vec3 world = origin + place * extent;
  vec3 p = world - target;
  vec3 eye = vec3(dot(p, right), dot(p, up), dot(p, back) - distance_);
  vec3 to_eye = target + back * distance_ - world;
  bool away = dot(normal, normal) > 0.1 && dot(normal, normalize(to_eye)) < -0.1;
  float depth = -eye.z;
  if (color.a == 0.0 || world.z > cut || away || depth < range.x) { gl_Position = vec4(2.0, 2.0, 2.0, 1.0); return; }
  float z = (depth * (range.y + range.x) - 2.0 * range.x * range.y) / (range.y - range.x);
  gl_Position = vec4(eye.xy * projection.xy + projection.zw * depth, z, depth);
  gl_PointSize = clamp(pixels / depth, smallest, 48.0);
  tint = color.rgb;
}`, `#version 300 es
precision mediump float;
in vec3 tint; out vec4 color;
void main() {
  vec2 q = gl_PointCoord * 2.0 - 1.0;
  if (dot(q, q) > 1.0) discard;
  color = vec4(tint, 1.0);
}`];
const LIGHT = [`#version 300 es
void main() { gl_Position = vec4(gl_VertexID == 1 ? 3.0 : -1.0, gl_VertexID == 2 ? 3.0 : -1.0, 0.0, 1.0); }`,
`#version 300 es
precision highp float;
uniform sampler2D picture, depths; uniform vec2 range; uniform float focal, ratio; uniform vec3 empty;
out vec4 color;
float nearness(ivec2 at) {
  at = clamp(at, ivec2(0), textureSize(depths, 0) - 1);
  float z = texelFetch(depths, at, 0).r;
  if (z == 1.0) return -1e9;
  return -2.0 * range.x * range.y / (range.y + range.x - (2.0 * z - 1.0) * (range.y - range.x));
}
void main() {  // eye-dome lighting: darker the more the neighbours stand before a pixel
  ivec2 at = ivec2(gl_FragCoord.xy);
  float here = nearness(at);
  if (here < -1e8) { color = vec4(empty, 1.0); return; }
  float hidden = 0.0, scale = focal / -here;
  for (int ring = 0; ring < 3; ring++) {
    float step_ = (ring == 0 ? 1.0 : ring == 1 ? 3.0 : 8.0) * ratio;
    for (int k = 0; k < 8; k++) {
      float angle = float(k) * 0.785398 + float(ring) * 0.4;
      float rise = (nearness(at + ivec2(round(step_ * vec2(cos(angle), sin(angle))))) - here) * scale / step_;
      hidden += clamp(rise - 0.3, 0.0, 4.0);
    }
  }
  color = vec4(texelFetch(picture, at, 0).rgb * exp(-0.025 * hidden), 1.0);
}`];

const gl = canvas.getContext("webgl2", { antialias: false, alpha: false, preserveDrawingBuffer: true });
let points, light, buffers, screen;

function program([vertex, fragment], attributes) {
  const made = gl.createProgram();
  for (const [kind, source] of [[gl.VERTEX_SHADER, vertex], [gl.FRAGMENT_SHADER, fragment]]) {
    const shader = gl.createShader(kind);
    gl.shaderSource(shader, source);
    gl.compileShader(shader);
    gl.attachShader(made, shader);
  }
  attributes.forEach((name, place) => gl.bindAttribLocation(made, place, name));
  gl.linkProgram(made);
  if (!gl.getProgramParameter(made, gl.LINK_STATUS) && !gl.isContextLost()) {
    throw new Error(gl.getProgramInfoLog(made));
  }
  return new Proxy({ made }, { get: (_, name) => name === "made" ? made : gl.getUniformLocation(made, name) });
}

function attribute(place, data, width, type) {
  const buffer = gl.createBuffer();
  gl.bindBuffer(gl.ARRAY_BUFFER, buffer);
  gl.bufferData(gl.ARRAY_BUFFER, data, gl.DYNAMIC_DRAW);
  gl.enableVertexAttribArray(place);
  gl.vertexAttribPointer(place, width, type, true, 4 * data.BYTES_PER_ELEMENT, 0);
  return buffer;
}

function padded(data) {  // three values a point become four: aligned rows are what graphics cards want
  const wide = new data.constructor(4 * count);
  for (let i = 0; i < count; i++) for (let c = 0; c < 3; c++) wide[4 * i + c] = data[3 * i + c];
  return wide;
}

function start() {
  points = program(POINTS, ["place", "color", "normal"]);
  light = program(LIGHT, []);
  attribute(0, padded(grid), 3, gl.UNSIGNED_SHORT);
  buffers = { color: attribute(1, paint(), 4, gl.UNSIGNED_BYTE) };
  if (facing) attribute(2, padded(facing), 3, gl.BYTE);
  else gl.vertexAttrib3f(2, 0, 0, 0);
  screen = null;
}

function repaint() {
  gl.bindBuffer(gl.ARRAY_BUFFER, buffers.color);
  gl.bufferSubData(gl.ARRAY_BUFFER, 0, paint());
  draw();
}

function fit() {  // pictures of at least 1.5 pixels a CSS pixel: the browser's downscaling smooths edges
  const ratio = Math.min(2, Math.max(1.5, devicePixelRatio || 1));
  const width = Math.round(innerWidth * ratio), height = Math.round(innerHeight * ratio);
  if (screen && screen.width === width && screen.height === height) return;
  if (screen) [screen.picture, screen.depths].forEach((old) => gl.deleteTexture(old));
  canvas.width = width;
  canvas.height = height;
  const texture = (format, kind, type) => {
    const made = gl.createTexture();
    gl.bindTexture(gl.TEXTURE_2D, made);
    gl.texImage2D(gl.TEXTURE_2D, 0, format, width, height, 0, kind, type, null);
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MIN_FILTER, gl.NEAREST);
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MAG_FILTER, gl.NEAREST);
    return made;
  };
  const picture = texture(gl.RGBA8, gl.RGBA, gl.UNSIGNED_BYTE);
  const depths = texture(gl.DEPTH_COMPONENT24, gl.DEPTH_COMPONENT, gl.UNSIGNED_INT);
  const frame = screen ? screen.frame : gl.createFramebuffer();
  gl.bindFramebuffer(gl.FRAMEBUFFER, frame);
  gl.framebufferTexture2D(gl.FRAMEBUFFER, gl.COLOR_ATTACHMENT0, gl.TEXTURE_2D, picture, 0);
  gl.framebufferTexture2D(gl.FRAMEBUFFER, gl.DEPTH_ATTACHMENT, gl.TEXTURE_2D, depths, 0);
  screen = { width, height, ratio, picture, depths, frame };
}

function render() {
  fit();
  const { width, height, ratio } = screen, { right, up, back } = axes(), { focal, x, y } = lens();
  const far = camera.distance + 2 * scan.reach, range = [Math.max(far / 20000, camera.distance * 0.02), far];
  gl.viewport(0, 0, width, height);
  gl.bindFramebuffer(gl.FRAMEBUFFER, screen.frame);
  gl.enable(gl.DEPTH_TEST);
  gl.clearColor(0, 0, 0, 0);
  gl.clear(gl.COLOR_BUFFER_BIT | gl.DEPTH_BUFFER_BIT);
  gl.useProgram(points.made);
  const vectors = { origin: scan.origin, extent: scan.extent, target: camera.target, right, up, back };
  for (const name in vectors) gl.uniform3fv(points[name], vectors[name]);
  gl.uniform4f(points.projection, 2 * focal / innerWidth, 2 * focal / innerHeight,
    2 * x / innerWidth - 1, 1 - 2 * y / innerHeight);
  gl.uniform2fv(points.range, range);
  gl.uniform1f(points.distance_, camera.distance);
  gl.uniform1f(points.pixels, state.size * 2.2 * scan.spacing * focal * ratio);
  gl.uniform1f(points.smallest, Math.max(1, 1.6 * ratio * Math.min(1, state.size)));
  gl.uniform1f(points.cut, scan.origin[2] + (1.0001 - state.cut) * scan.extent[2]);
  gl.drawArrays(gl.POINTS, 0, count);
  gl.bindFramebuffer(gl.FRAMEBUFFER, null);
  gl.disable(gl.DEPTH_TEST);
  gl.useProgram(light.made);
  [screen.picture, screen.depths].forEach((texture, unit) => {
    gl.activeTexture(gl.TEXTURE0 + unit);
    gl.bindTexture(gl.TEXTURE_2D, texture);
  });
  gl.uniform1i(light.picture, 0);
  gl.uniform1i(light.depths, 1);
  gl.uniform2fv(light.range, range);
  gl.uniform1f(light.focal, focal * ratio);
  gl.uniform1f(light.ratio, ratio);
  const hex = getComputedStyle(document.documentElement).getPropertyValue("--back").trim();
  gl.uniform3fv(light.empty, [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16) / 255));
  gl.drawArrays(gl.TRIANGLES, 0, 3);
}

let waiting = false;
function draw() {
  if (waiting || !gl) return;
  waiting = true;
  requestAnimationFrame(() => { waiting = false; if (!gl.isContextLost()) render(); });
}

/** The nearest visible point within `reach` CSS pixels of a place on the screen: its index, or -1. */
function pick(px, py, reach) {
  const { right, up, back } = axes(), { focal, x, y } = lens();
  const top = (1.0001 - state.cut) * 65535;
  let best = -1, nearest = Infinity;
  for (let i = 0; i < count; i++) {
    if (grid[3 * i + 2] > top || !visible(i)) continue;
    const p = minus(position(i), camera.target), depth = camera.distance - dot(p, back);
    if (depth <= 0 || depth >= nearest) continue;
    const dx = x + dot(p, right) * focal / depth - px, dy = y - dot(p, up) * focal / depth - py;
    if (dx * dx + dy * dy > reach * reach) continue;
    if (facing) {
      const to_eye = [0, 1, 2].map((k) => back[k] * camera.distance - p[k]);
      if (facing[3 * i] * to_eye[0] + facing[3 * i + 1] * to_eye[1] + facing[3 * i + 2] * to_eye[2] < 0) continue;
    }
    best = i;
    nearest = depth;
  }
  return best;
}
function position(i) {
  return [0, 1, 2].map((k) => scan.origin[k] + grid[3 * i + k] / 65535 * scan.extent[k]);
}

function tell(px, py) {
  const i = classes ? pick(px, py, 6) : -1, tip = $("tip");
  tip.hidden = i < 0;
  if (i < 0) return;
  const scores = layers.filter((layer) => layer.kind === "scalar")
    .map((layer) => ` · ${layer.name} ${(layer.low + layer.value[i] / 255 * (layer.high - layer.low)).toFixed(2)}`);
  const thing = things ? things.texts[things.index[i]] : undefined;
  tip.textContent = thing || classes.items[classes.index[i]].text + scores.join("");
  tip.style.left = Math.min(px, innerWidth - 160) + "px";
  tip.style.top = Math.min(py, innerHeight - 50) + "px";
}

// ---- hands ------------------------------------------------------------------------------------------
const fingers = new Map();
let travelled = 0, lastTap = { time: -1e9, x: 0, y: 0 }, telling = 0;

function move(dx, dy) {
  const { right, up } = axes(), scale = camera.distance / lens().focal;
  camera.target = camera.target.map((t, k) => t - (dx * right[k] - dy * up[k]) * scale);
}
function turn(dx, dy) {
  camera.azimuth -= dx * 0.35;
  camera.elevation = Math.min(89.9, Math.max(-89.9, camera.elevation + dy * 0.35));
}
function zoom(factor) {
  camera.distance = Math.min(20 * scan.reach, Math.max(scan.reach / 2000, camera.distance * factor));
}
const middle = () => {
  const all = [...fingers.values()];
  const x = all.reduce((s, f) => s + f.x, 0) / all.length, y = all.reduce((s, f) => s + f.y, 0) / all.length;
  return { x, y, spread: all.length > 1 ? Math.hypot(all[0].x - all[1].x, all[0].y - all[1].y) : 0 };
};

canvas.addEventListener("pointerdown", (event) => {
  canvas.setPointerCapture(event.pointerId);
  fingers.set(event.pointerId, { x: event.clientX, y: event.clientY });
  travelled = fingers.size > 1 ? 1e9 : 0;
  $("tip").hidden = true;
});
canvas.addEventListener("pointermove", (event) => {
  if (!fingers.has(event.pointerId)) {
    clearTimeout(telling);
    telling = setTimeout(tell, 60, event.clientX, event.clientY);
    return;
  }
  const before = middle();
  fingers.set(event.pointerId, { x: event.clientX, y: event.clientY });
  const after = middle(), dx = after.x - before.x, dy = after.y - before.y;
  travelled += Math.hypot(dx, dy);
  if (fingers.size > 1) {
    move(dx, dy);
    if (before.spread > 0 && after.spread > 0) zoom(before.spread / after.spread);
  } else if (event.shiftKey || event.buttons & 6) move(dx, dy);
  else turn(dx, dy);
  draw();
});
function release(event) {
  if (!fingers.delete(event.pointerId) || event.type === "pointercancel" || travelled > 6) return;
  const { clientX: x, clientY: y, timeStamp: time } = event;
  if (time - lastTap.time < 350 && Math.hypot(x - lastTap.x, y - lastTap.y) < 24) {
    const i = pick(x, y, 12);
    if (i >= 0) pivot(position(i));
  } else {
    tell(x, y);
    isolate(pick(x, y, 6));
  }
  lastTap = { time, x, y };
}
/** Shows the object of a point alone; of none, or of the one that is alone already, all of them. */
function isolate(i) {
  if (!things) return;
  const which = i < 0 || things.index[i] >= things.texts.length ? -1 : things.index[i];
  const next = which === state.alone ? -1 : which;
  if (next === state.alone) return;
  state.alone = next;
  repaint();
}
canvas.addEventListener("pointerup", release);
canvas.addEventListener("pointercancel", release);
canvas.addEventListener("pointerleave", () => { clearTimeout(telling); $("tip").hidden = true; });
canvas.addEventListener("contextmenu", (event) => event.preventDefault());
canvas.addEventListener("wheel", (event) => {
  event.preventDefault();
  zoom(Math.exp(Math.max(-200, Math.min(200, event.deltaY * (event.deltaMode ? 30 : 1))) * 0.0015));
  draw();
}, { passive: false });

function pivot(goal) {  // glide there, so that one sees where one goes
  const from = camera.target, begin = performance.now();
  const glide = (now) => {
    const t = Math.min(1, Math.max(0, (now - begin) / 250)), eased = t * (2 - t);
    camera.target = from.map((f, k) => f + eased * (goal[k] - f));
    draw();
    if (t < 1) requestAnimationFrame(glide);
  };
  requestAnimationFrame(glide);
}

const KEYS = {
  ArrowLeft: () => turn(-20, 0), ArrowRight: () => turn(20, 0), ArrowUp: () => turn(0, 20), ArrowDown: () => turn(0, -20),
  "+": () => zoom(0.85), "=": () => zoom(0.85), "-": () => zoom(1 / 0.85), r: reset,
};
canvas.addEventListener("keydown", (event) => {
  const act = event.ctrlKey || event.metaKey ? null : KEYS[event.key];
  if (!act) return;
  event.preventDefault();
  act();
  draw();
});

// ---- panel ------------------------------------------------------------------------------------------
function element(tag, parent, text) {
  const made = document.createElement(tag);
  if (text !== undefined) made.textContent = text;
  parent.append(made);
  return made;
}

function choose(which) {
  state.layer = which;
  [...$("layers").children].forEach((button, k) => button.setAttribute("aria-pressed", String(k === which)));
  const layer = layers[which];
  $("ramp").hidden = layer.kind !== "scalar";
  if (layer.kind === "scalar") {
    $("ramp").firstElementChild.style.background = `linear-gradient(90deg, ${viridis.map((c) => `rgb(${c})`)})`;
    const [low, high] = $("ramp").querySelectorAll("span");
    low.textContent = layer.low.toFixed(2);
    high.textContent = layer.high.toFixed(2);
  }
  repaint();
}

function show(change) {
  shown.forEach((was, k) => { shown[k] = change(k, was); });
  $("legend").querySelectorAll("button").forEach((button) =>
    button.setAttribute("aria-pressed", String(shown[+button.dataset.item])));
  repaint();
}

function only(which) {
  const alone = shown.every((on, k) => on === (k === which));
  show((k) => alone || k === which);
}

function build() {
  layers.forEach((layer, k) => { element("button", $("layers"), layer.name).onclick = () => choose(k); });
  $("layers").hidden = layers.length < 2;
  let before = null;  // the state before a double click's two single ones
  for (const k of classes ? classes.order : []) {
    const item = classes.items[k], button = element("button", $("legend"));
    const number = things ? things.words.filter((word) => word === k).length : 0;
    button.dataset.item = k;
    button.title = `${item.text}: ${item.count.toLocaleString("en")} points${number ? ` in ${number} objects` : ""}. Double-click to see it alone.`;
    button.setAttribute("aria-pressed", "true");
    element("i", button).style.background = `rgb(${item.color})`;
    element("span", button, item.text);
    element("small", button, (number ? number + " · " : "") + item.count.toLocaleString("en"));
    button.onclick = (event) => {
      if (event.detail < 2) before = [...shown];
      show((j, was) => j === k ? !was : was);
    };
    button.ondblclick = () => { show((j) => before[j]); only(k); };
  }
  $("find").hidden = !classes || classes.items.length <= 20;
  $("find").firstElementChild.oninput = (event) => {
    const wanted = event.target.value.trim().toLowerCase();
    $("legend").querySelectorAll("button").forEach((button) => {
      button.hidden = !classes.items[+button.dataset.item].text.toLowerCase().includes(wanted);
    });
  };
  $("all").hidden = $("none").hidden = !classes;
  $("all").onclick = () => show(() => true);
  $("none").onclick = () => show(() => false);
  $("reset").onclick = () => { state.alone = -1; repaint(); reset(); };
  if (things) $("hint").textContent += " · click: that object alone";
  $("size").oninput = (event) => { state.size = +event.target.value; draw(); };
  $("cut").value = state.cut;
  $("cut").oninput = (event) => { state.cut = +event.target.value; draw(); };
  $("fold").onclick = () => {
    const folded = $("sheet").classList.toggle("folded");
    $("fold").textContent = folded ? "Show list" : "Hide list";
    $("fold").setAttribute("aria-expanded", String(!folded));
    draw();
  };
}

if (!gl) {
  $("failed").hidden = false;
  $("panel").hidden = $("hint").hidden = true;
} else {
  build();
  start();
  choose(state.layer);
  reset();
  addEventListener("resize", draw);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
  canvas.addEventListener("webglcontextlost", (event) => event.preventDefault());
  canvas.addEventListener("webglcontextrestored", () => { start(); draw(); });
}
