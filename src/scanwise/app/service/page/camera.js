// The camera: where it stands, how it is turned, and where points fall on the screen (CSS pixels).

const HALF_VIEW = Math.tan(Math.PI / 9);  // of the shorter side's 40 degrees
export const dot = (p, q) => p[0] * q[0] + p[1] * q[1] + p[2] * q[2];
export const minus = (p, q) => [p[0] - q[0], p[1] - q[1], p[2] - q[2]];
export const along = (p, way, by) => [p[0] + by * way[0], p[1] + by * way[1], p[2] + by * way[2]];

export class Camera {
  /** @param facts of the scan: view, center, low, high. @param area () => {x, y, width, height} that is free. */
  constructor(facts, area) {
    this.area = area;
    this.facts = facts;
    this.reach = Math.max(0.1, Math.hypot(...minus(facts.high, facts.low)));
    this.flying = false;
    this.reset();
  }

  reset() {
    const { view, center, low, high } = this.facts;
    this.azimuth = view[0];
    this.elevation = view[1];
    this.target = [...center];
    const { right, up, back } = this.axes(), { focal } = this.lens(), area = this.area();
    let distance = 0.05;
    for (let corner = 0; corner < 8; corner++) {
      const p = minus([0, 1, 2].map((k) => corner >> k & 1 ? high[k] : low[k]), center);
      const across = Math.abs(dot(p, right)) * focal / (area.width / 2), tall = Math.abs(dot(p, up)) * focal / (area.height / 2);
      distance = Math.max(distance, 0.93 * (dot(p, back) + Math.max(across, tall)));
    }
    this.distance = distance;
  }

  axes() {
    const a = this.azimuth * Math.PI / 180, e = this.elevation * Math.PI / 180;
    return {
      right: [-Math.sin(a), Math.cos(a), 0],
      up: [-Math.sin(e) * Math.cos(a), -Math.sin(e) * Math.sin(a), Math.cos(e)],
      back: [Math.cos(e) * Math.cos(a), Math.cos(e) * Math.sin(a), Math.sin(e)],
    };
  }

  /** Focal length and principal point: the scene is centred in what the panel leaves free. */
  lens() {
    const area = this.area();
    return { focal: Math.min(area.width, area.height) / 2 / HALF_VIEW, x: area.x + area.width / 2, y: area.y + area.height / 2 };
  }

  eye() {
    return along(this.target, this.axes().back, this.distance);
  }

  /** Pixels and depth of a point; depth is not above 0 behind the camera. */
  project(point) {
    const { right, up, back } = this.axes(), { focal, x, y } = this.lens(), p = minus(point, this.target);
    const depth = this.distance - dot(p, back);
    return { x: x + dot(p, right) * focal / depth, y: y - dot(p, up) * focal / depth, depth };
  }

  turn(dx, dy) {
    const eye = this.eye(), way = this.flying ? -1 : 1;
    this.azimuth -= way * dx * 0.35;
    this.elevation = Math.min(89.9, Math.max(-89.9, this.elevation + way * dy * 0.35));
    if (this.flying) this.target = along(eye, this.axes().back, -this.distance);
  }

  move(dx, dy) {
    const { right, up } = this.axes(), scale = this.distance / this.lens().focal;
    this.target = along(along(this.target, right, -dx * scale), up, dy * scale);
  }

  zoom(factor) {
    if (this.flying) this.go(0, 0, (1 - factor) * this.distance);
    else this.distance = Math.min(20 * this.reach, Math.max(this.reach / 5000, this.distance * factor));
  }

  /** Flies: metres to the right, up and ahead. */
  go(right, up, ahead) {
    const axes = this.axes();
    this.target = along(along(along(this.target, axes.right, right), [0, 0, 1], up), axes.back, -ahead);
  }

  /** Stands where a picture was taken. */
  stand(pose, ahead) {
    const column = (k) => [pose[0][k], pose[1][k], pose[2][k]], forward = column(2), eye = column(3);
    this.azimuth = Math.atan2(-forward[1], -forward[0]) * 180 / Math.PI;
    this.elevation = Math.asin(Math.max(-1, Math.min(1, -forward[2]))) * 180 / Math.PI;
    this.distance = ahead;
    this.target = along(eye, this.axes().back, -ahead);
  }
}
