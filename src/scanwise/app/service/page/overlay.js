// What is drawn over the cloud: boxes of things, measures, cameras, the lasso and the brush.
import { along } from "/page/camera.js";
import { $ } from "/page/dom.js";

export class Overlay {
  constructor(app) {
    this.app = app;
    this.canvas = $("overlay");
    this.pen = this.canvas.getContext("2d");
    this.measures = [];  // pairs of {inside, source}; the last may have one end
    this.boxes = [];  // {corners: eight points in scene coordinates, color, text}
    this.cameras = [];
    this.stroke = null;  // {polygon} or {x, y, radius} in CSS pixels
  }

  draw() {
    const ratio = devicePixelRatio || 1, { pen, canvas } = this;
    canvas.width = innerWidth * ratio;
    canvas.height = innerHeight * ratio;
    pen.scale(ratio, ratio);
    pen.font = "13px system-ui, sans-serif";
    pen.lineJoin = "round";
    if (this.app.view.frames) this.cameras.forEach((camera) => this.frustum(camera));
    this.boxes.forEach((box) => this.box(box));
    this.measures.forEach((pair) => this.measure(pair));
    if (this.stroke?.polygon) this.lasso(this.stroke.polygon);
    else if (this.stroke) this.circle(this.stroke);
  }

  /** A line between two points in scene coordinates, as far as it lies before the camera. */
  line(a, b) {
    const camera = this.app.camera, near = camera.distance * 0.02;
    let p = camera.project(a), q = camera.project(b);
    if (p.depth < near && q.depth < near) return;
    if (p.depth < near || q.depth < near) {
      const t = (near - p.depth) / (q.depth - p.depth), cut = camera.project(a.map((v, k) => v + t * (b[k] - v)));
      if (p.depth < near) p = cut;
      else q = cut;
    }
    this.pen.moveTo(p.x, p.y);
    this.pen.lineTo(q.x, q.y);
  }

  lines(pairs, color, width) {
    this.pen.beginPath();
    pairs.forEach(([a, b]) => this.line(a, b));
    this.pen.strokeStyle = color;
    this.pen.lineWidth = width;
    this.pen.stroke();
  }

  label(text, x, y) {
    const { pen } = this, wide = pen.measureText(text).width + 14;
    pen.fillStyle = "#1b1f24e0";
    pen.beginPath();
    pen.roundRect(x - wide / 2, y - 12, wide, 24, 7);
    pen.fill();
    pen.fillStyle = "#fff";
    pen.textAlign = "center";
    pen.textBaseline = "middle";
    pen.fillText(text, x, y);
  }

  box({ corners, color, text }) {
    const pairs = [];
    for (let a = 0; a < 8; a++) for (const bit of [1, 2, 4]) if (!(a & bit)) pairs.push([corners[a], corners[a | bit]]);
    this.lines(pairs, "#fff9", 4);
    this.lines(pairs, color, 2);
    const top = corners.map((corner) => this.app.camera.project(corner)).filter((p) => p.depth > 0).sort((p, q) => p.y - q.y)[0];
    if (text && top) this.label(text, top.x, Math.max(70, top.y - 16));
  }

  measure(pair) {
    if (pair.length === 2) {
      this.lines([[pair[0].inside, pair[1].inside]], "#fff", 5);
      this.lines([[pair[0].inside, pair[1].inside]], "#d6276e", 2.5);
    }
    for (const end of pair) {
      const p = this.app.camera.project(end.inside);
      if (p.depth <= 0) continue;
      this.pen.beginPath();
      this.pen.arc(p.x, p.y, 5, 0, 7);
      this.pen.fillStyle = "#d6276e";
      this.pen.fill();
      this.pen.lineWidth = 2;
      this.pen.strokeStyle = "#fff";
      this.pen.stroke();
    }
    if (pair.length === 2) {
      const [p, q] = pair.map((end) => this.app.camera.project(end.inside));
      if (p.depth > 0 && q.depth > 0) this.label(this.told(pair), (p.x + q.x) / 2, (p.y + q.y) / 2 - 18);
    }
  }

  told(pair) {
    const between = Math.hypot(...pair[0].source.map((v, k) => v - pair[1].source[k]));
    return `${between.toFixed(3)} ${pair[0].unit}`;
  }

  size(camera) {
    return this.app.camera.reach / 45;
  }

  /** The corners of a camera's picture, and its eye, in scene coordinates. */
  corners(camera) {
    const pose = camera.camera_to_world, k = camera.intrinsics, ahead = this.size(camera);
    const place = (x, y, z) => [0, 1, 2].map((r) => pose[r][0] * x + pose[r][1] * y + pose[r][2] * z + pose[r][3]);
    const at = (u, v) => place((u - k[0][2]) / k[0][0] * ahead, (v - k[1][2]) / k[1][1] * ahead, ahead);
    return [place(0, 0, 0), at(0, 0), at(camera.width, 0), at(camera.width, camera.height), at(0, camera.height)];
  }

  frustum(camera) {
    const [eye, a, b, c, d] = this.corners(camera);
    const color = camera === this.app.nearCamera ? "#d6276e" : "#1f6febcc";
    this.lines([[eye, a], [eye, b], [eye, c], [eye, d], [a, b], [b, c], [c, d], [d, a]], color, camera === this.app.nearCamera ? 2.5 : 1.2);
  }

  /** The camera whose frustum is at a place of the screen. */
  cameraAt(x, y) {
    if (!this.app.view.frames) return null;
    let best = null, nearest = 14;
    for (const camera of this.cameras) {
      const [eye, a, , c] = this.corners(camera), middle = a.map((v, k) => (v + c[k]) / 2);
      for (const point of [eye, middle]) {
        const p = this.app.camera.project(point), away = Math.hypot(p.x - x, p.y - y);
        if (p.depth > 0 && away < nearest) [best, nearest] = [camera, away];
      }
    }
    return best;
  }

  lasso(polygon) {
    const { pen } = this;
    pen.beginPath();
    polygon.forEach(([x, y], k) => (k ? pen.lineTo(x, y) : pen.moveTo(x, y)));
    pen.closePath();
    pen.fillStyle = "#0d9ffa2e";
    pen.fill();
    pen.strokeStyle = "#0d9ffa";
    pen.lineWidth = 2;
    pen.stroke();
  }

  circle({ x, y, radius }) {
    const { pen } = this;
    pen.beginPath();
    pen.arc(x, y, Math.max(2, radius), 0, 7);
    pen.strokeStyle = "#0d9ffa";
    pen.lineWidth = 2;
    pen.stroke();
  }
}

/** The eight corners of a box as the engine tells of it (in the file's frame), in scene coordinates. */
export function boxCorners(place, toSource) {
  const up = place.up, start = Math.abs(up[0]) > 0.9 ? [0, 1, 0] : [1, 0, 0];
  const lean = start[0] * up[0] + start[1] * up[1] + start[2] * up[2];
  const flat = unit(along(start, up, -lean)), side = cross(up, flat);
  const length = flat.map((v, k) => Math.cos(place.heading) * v + Math.sin(place.heading) * side[k]), width = cross(up, length);
  const back = inverse(toSource);
  return Array.from({ length: 8 }, (_, corner) => {
    let p = place.center;
    [length, width, up].forEach((way, k) => { p = along(p, way, (corner >> k & 1 ? 0.5 : -0.5) * place.size[k]); });
    return apply(back, p);
  });
}

const cross = (a, b) => [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]];
const unit = (a) => a.map((v) => v / Math.hypot(...a));
export const apply = (m, p) => [0, 1, 2].map((r) => m[r][0] * p[0] + m[r][1] * p[1] + m[r][2] * p[2] + m[r][3]);

/** Inverse of a turn with a scale and a shift (4, 4). */
export function inverse(m) {
  const a = m.map((row) => row.slice(0, 3)), c = (i, j) => {
    const [r1, r2] = [0, 1, 2].filter((r) => r !== j), [k1, k2] = [0, 1, 2].filter((k) => k !== i);
    return ((i + j) % 2 ? -1 : 1) * (a[r1][k1] * a[r2][k2] - a[r1][k2] * a[r2][k1]);
  };
  const determinant = a[0][0] * c(0, 0) + a[0][1] * c(1, 0) + a[0][2] * c(2, 0);
  const turned = [0, 1, 2].map((i) => [0, 1, 2].map((j) => c(i, j) / determinant));
  return turned.map((row) => [...row, -(row[0] * m[0][3] + row[1] * m[1][3] + row[2] * m[2][3])]);
}
