// The two programs: points into colour, depth and row; then eye-dome lighting.

export const POINTS = [`#version 300 es
precision highp float; precision highp int; precision highp usampler2D;
in vec3 place; in vec4 color; in vec3 normal; in uvec2 ids;
uniform vec3 corner, right, up, back, low, high;  // relative to the target
uniform vec4 projection;  // 2 f / width, 2 f / height, shift x, shift y
uniform vec2 range, heights; uniform float edge, distance_, pixels, smallest; uniform int mode, first; uniform bool through, dim;
uniform sampler2D words, things, ramp;
out vec3 tint; flat out uint row;
void main() {
  vec3 p = corner + place * edge;
  vec3 eye = vec3(dot(p, right), dot(p, up), dot(p, back) - distance_);
  float depth = -eye.z;
  uint thing = ids.x & 0xffffffu, marks = ids.x >> 24u, word = ids.y & 0xffffu, sure = ids.y >> 16u;
  vec4 of_word = texelFetch(words, ivec2(int(word % 256u), int(word / 256u)), 0);
  vec4 of_thing = texelFetch(things, ivec2(int(thing % 1024u), int(thing / 1024u)), 0);
  bool away = through && dot(normal, normal) > 0.1 && dot(normal, back * distance_ - p) < -0.1 * length(back * distance_ - p);
  bool outside = any(lessThan(p, low)) || any(greaterThan(p, high));
  if (outside || away || of_word.a < 0.5 || depth < range.x) { gl_Position = vec4(2.0, 2.0, 2.0, 1.0); return; }
  float z = (depth * (range.y + range.x) - 2.0 * range.x * range.y) / (range.y - range.x);
  gl_Position = vec4(eye.xy * projection.xy + projection.zw * depth, z, depth);
  gl_PointSize = clamp(pixels / depth, smallest, 40.0);
  row = uint(first + gl_VertexID);
  float t = mode == 3 ? float(sure) / 255.0 : (p.z - heights.x) / max(heights.y - heights.x, 1e-6);
  tint = mode == 1 ? of_word.rgb : mode == 2 ? of_thing.rgb : mode == 0 ? color.rgb : texelFetch(ramp, ivec2(int(clamp(t, 0.0, 1.0) * 255.0), 0), 0).rgb;
  if (dim && (marks & 3u) == 0u) tint = mix(vec3(dot(tint, vec3(0.299, 0.587, 0.114))), tint, 0.35) * 0.6 + 0.3;
  if ((marks & 1u) != 0u) tint = mix(tint, vec3(0.93, 0.33, 0.1), 0.72);
  if ((marks & 2u) != 0u) tint = mix(tint, vec3(0.05, 0.62, 0.98), 0.72);
}`, `#version 300 es
precision highp float; precision highp int;
in vec3 tint; flat in uint row;
layout(location = 0) out vec4 color; layout(location = 1) out uint id;
void main() {
  vec2 q = gl_PointCoord * 2.0 - 1.0;
  if (dot(q, q) > 1.0) discard;
  color = vec4(tint, 1.0);
  id = row;
}`];

export const LIGHT = [`#version 300 es
void main() { gl_Position = vec4(gl_VertexID == 1 ? 3.0 : -1.0, gl_VertexID == 2 ? 3.0 : -1.0, 0.0, 1.0); }`,
`#version 300 es
precision highp float;
uniform sampler2D picture, depths; uniform vec2 range; uniform float focal, ratio; uniform vec3 empty; uniform int rings;
out vec4 color;
float nearness(ivec2 at) {
  at = clamp(at, ivec2(0), textureSize(depths, 0) - 1);
  float z = texelFetch(depths, at, 0).r;
  if (z == 1.0) return -1e9;
  return -2.0 * range.x * range.y / (range.y + range.x - (2.0 * z - 1.0) * (range.y - range.x));
}
void main() {  // darker the more the neighbours stand before a pixel
  ivec2 at = ivec2(gl_FragCoord.xy);
  float here = nearness(at);
  if (here < -1e8) { color = vec4(empty, 1.0); return; }
  float hidden = 0.0, scale = focal / -here;
  for (int ring = 0; ring < rings; ring++) {
    float step_ = (ring == 0 ? 1.0 : ring == 1 ? 3.0 : 8.0) * ratio;
    for (int k = 0; k < 8; k++) {
      float angle = float(k) * 0.785398 + float(ring) * 0.4;
      float rise = (nearness(at + ivec2(round(step_ * vec2(cos(angle), sin(angle))))) - here) * scale / step_;
      hidden += clamp(rise - 0.3, 0.0, 4.0);
    }
  }
  color = vec4(texelFetch(picture, at, 0).rgb * exp(-0.025 * hidden), 1.0);
}`];

export const viridis = [[68, 1, 84], [59, 82, 139], [33, 145, 140], [94, 201, 98], [253, 231, 37]];

export function ramp(t) {
  const at = Math.min(3.999, Math.max(0, t * 4)), i = Math.floor(at), f = at - i;
  return viridis[i].map((low, c) => Math.round(low + f * (viridis[i + 1][c] - low)));
}
