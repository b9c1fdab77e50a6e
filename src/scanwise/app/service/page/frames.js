// The pictures of a recording: a click on a camera shows its picture, with labels and marks projected into it.
import { blob, bytes, get } from "/page/api.js";
import { $, many, trying } from "/page/dom.js";

export async function setUpFrames(app) {
  $("frames-row").hidden = !app.facts.frames;
  if (!app.facts.frames) return;
  app.overlay.cameras = await get(`/scans/${app.scan}/frames`);
  $("frames-row").querySelector("small").textContent = many(app.facts.frames, "picture");
  $("frames").onchange = (event) => { app.view.frames = event.target.checked; app.overlay.draw(); };
}

export async function showFrame(app, camera) {
  const path = `/scans/${app.scan}/frames/${camera.number}`, dialog = $("frame"), [canvas, form] = [dialog.querySelector("canvas"), dialog.querySelector("form")];
  const [picture, seen] = await Promise.all([blob(`${path}/picture`).then(createImageBitmap), bytes(`${path}/points`)]);
  const [width, height] = new Int32Array(seen, 0, 2), rows = new Int32Array(seen, 8), pen = canvas.getContext("2d");
  const layer = projected(app, rows, width, height);
  const draw = () => {
    canvas.width = picture.width;
    canvas.height = picture.height;
    pen.drawImage(picture, 0, 0);
    if (!form.querySelector("input").checked) return;
    pen.imageSmoothingEnabled = false;
    pen.drawImage(layer, 0, 0, width, height, 0, 0, canvas.width, canvas.height);
  };
  form.querySelector("input").onchange = draw;
  form.querySelector("span").textContent = camera.name;
  draw();
  dialog.returnValue = "";
  dialog.onclose = () => {
    if (dialog.returnValue !== "go") return;
    app.camera.stand(camera.camera_to_world, app.camera.reach / 8);
    app.renderer.moving();
  };
  dialog.showModal();
}

/** What the points would show at each pixel: the answer and what is selected, or words and things. */
function projected(app, rows, width, height) {
  const canvas = new OffscreenCanvas(width, height), pen = canvas.getContext("2d"), image = pen.createImageData(width, height);
  const { cloud, view, wordColors } = app, marked = cloud.marks.some((mark) => mark);
  for (let i = 0; i < rows.length; i++) {
    const row = rows[i];
    if (row < 0) continue;
    const mark = cloud.marks[row], word = cloud.words[row];
    let color = mark & 2 ? [13, 159, 250] : mark & 1 ? [237, 84, 25] : null, alpha = 150;
    if (!color && !marked && app.labels && view.mode !== "colour" && word >= 0) [color, alpha] = [wordColors[word], 120];
    if (color) image.data.set([...color, alpha], 4 * i);
  }
  pen.putImageData(image, 0, 0);
  return canvas;
}

export const openFrame = (app, camera) => trying(() => showFrame(app, camera));
