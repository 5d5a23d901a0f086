// The page: a picture goes in, in whatever way a person has it, and the answer comes out.
// What can be asked is what GET /models says; nothing here knows a model by name.

import { readClass, readPrice, show, showProblem, timing } from "./answer.js";
import { at, on } from "./dom.js";
import { percent } from "./format.js";
import { exchange } from "./service.js";

const page = {
  models: [], // the cards of GET /models
  picture: null, // what is asked about: a File, or a plain Blob where it was drawn on the pad
  request: null, // the AbortController of the question under way
};

// All that differs between the tasks. metric: the one measurement of a card that speaks for itself.
const TASKS = {
  classification: { path: "classify", read: readClass, metric: "accuracy", says: "Accuracy" },
  regression: { path: "price", read: readPrice, metric: "median_ape", says: "Median error" },
};

// What can be asked

const chosenTask = () => document.querySelector("[name=task]:checked").value;
const chosenModel = () => page.models.find(({ name }) => name === at("model").value);
const canDraw = () => chosenModel()?.view.recipe === "digit";

// Where the service asks for a key, so does the page; it is forgotten with the tab.
function useKey() {
  sessionStorage.setItem("key", at("key").value.trim());
  at("locked").hidden = true;
  show({});
  start();
}

async function start() {
  const { body, problem } = await exchange("models");
  if (problem) return showProblem(problem);
  page.models = body.models;
  const tasks = [...document.getElementsByName("task")];
  const served = tasks.filter((task) => page.models.some((model) => model.task === task.value));
  if (!served.some((task) => task.checked)) served[0].checked = true;
  at("tasks").hidden = served.length < 2;
  offerModels();
}

function offerModels() {
  const models = page.models.filter((model) => model.task === chosenTask());
  const options = models.map(({ name, default: chosen }) => new Option(name, name, chosen, chosen));
  at("model").replaceChildren(...options);
  useModel();
}

function useModel() {
  const { task, summary, measured, device, reason } = chosenModel();
  const { metric, says } = TASKS[task];
  const [value, constant] = [measured.values, measured.baseline].map((values) => percent(values[metric]));
  at("about").textContent =
    `${summary}\n${says} ${value} (a constant answer: ${constant}) on ` +
    `${measured.n.toLocaleString("en")} pictures it never saw: ${measured.data}.\n` +
    `Runs on the ${device.toUpperCase()}${reason && `: ${reason}`}.`;
  lookAt(page.picture);
}

// The picture

function lookAt(picture) {
  page.picture = picture;
  showStage();
  ask();
}

function take(file) {
  wipePad();
  // Not sent: it may be a film of four gigabytes. A file without a type may still be a picture, as
  // HEIC is on many systems; that one the service judges.
  if (!file || (file.type && !file.type.startsWith("image/"))) {
    lookAt(null);
    const what = file ? `${file.name} is ${file.type}` : "That was no file";
    return showProblem({ title: "Not a picture", detail: `${what}; give a PNG or a JPEG.`, status: 415 });
  }
  lookAt(file);
}

function takeDrawing() {
  at("pad").toBlob(lookAt);
}

function wipePad() {
  at("pad").getContext("2d").clearRect(0, 0, at("pad").width, at("pad").height);
}

function showStage() {
  const { picture } = page;
  URL.revokeObjectURL(at("picture").src);
  if (picture) at("picture").src = URL.createObjectURL(picture);
  at("clear").hidden = !picture;
  at("stage").dataset.shows = stageFor(picture);
}

function stageFor(picture) {
  if (canDraw() && !(picture instanceof File)) return picture ? "pad" : "empty pad";
  return picture ? "picture" : "empty";
}

function draw({ type, offsetX, offsetY }) {
  const pad = at("pad");
  const pen = pad.getContext("2d");
  const [x, y] = [offsetX, offsetY].map((offset) => (offset * pad.width) / pad.clientWidth);
  if (type === "pointerdown") {
    at("stage").dataset.shows = "pad";
    // Light in the dark: the pad is transparent, and the service puts paper under it that contrasts.
    pen.strokeStyle = getComputedStyle(pad).color;
    pen.lineWidth = pad.width / 14;
    pen.lineCap = "round";
    pen.beginPath();
    pen.moveTo(x, y - 0.1); // A tap leaves a dot; a line of no length would leave nothing.
  }
  pen.lineTo(x, y);
  pen.stroke();
  pen.beginPath();
  pen.moveTo(x, y);
}

// Question and answer

async function ask() {
  page.request?.abort();
  if (!page.picture) return show({});
  if (!page.models.length) return start();
  const { signal } = (page.request = new AbortController());
  const { path, read } = TASKS[chosenTask()];
  const form = new FormData();
  form.append("image", page.picture, page.picture.name ?? "drawing.png");
  form.append("model", at("model").value);
  at("answer").ariaBusy = "true";
  const began = performance.now();
  const { response, body, problem } = await exchange(path, { method: "POST", body: form, signal });
  if (signal.aborted) return; // A later picture has taken over.
  if (problem) return showProblem(problem);
  const small = timing(response, performance.now() - began, body);
  show({ kind: "answer", familiar: body.familiar, small, ...read(body) });
}

// What a person may do

function takeChosen({ target }) {
  if (target.files.length) take(target.files[0]);
  target.value = ""; // so that the same file can be chosen again
}

on("file", "change", takeChosen);
on("camera", "change", takeChosen);
on("tasks", "change", offerModels);
on("model", "change", useModel);
on("locked", "submit", (event) => {
  event.preventDefault();
  useKey();
});
on("again", "click", () => (page.picture ? ask() : start()));
on("clear", "click", () => {
  wipePad();
  lookAt(null);
  at("file").focus(); // The button that had it is gone.
});
on("stage", "click", ({ target }) => target !== at("pad") && at("file").click());
on("picture", "error", () => (at("stage").dataset.shows = "unshowable"));

on("pad", "pointerdown", (event) => {
  if (!event.isPrimary || event.button !== 0) return;
  at("pad").setPointerCapture(event.pointerId);
  draw(event);
});
on("pad", "pointermove", (event) => at("pad").hasPointerCapture(event.pointerId) && draw(event));
on("pad", "lostpointercapture", takeDrawing);

// The whole page takes a drop: one that missed the stage would make the browser leave for the file.
addEventListener("dragover", (event) => {
  event.preventDefault();
  at("stage").classList.add("over");
});
addEventListener("dragleave", ({ relatedTarget }) => relatedTarget || at("stage").classList.remove("over"));
addEventListener("drop", (event) => {
  event.preventDefault();
  at("stage").classList.remove("over");
  take(event.dataTransfer.files[0]);
});
addEventListener("paste", ({ clipboardData: { files } }) => files.length && take(files[0]));

start();
