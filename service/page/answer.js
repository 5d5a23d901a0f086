// The answer: read from a response, and shown.

import { at } from "./dom.js";
import { money, percent } from "./format.js";

export function timing(response, roundTrip, { model, version, request_id }) {
  const stages = (response.headers.get("Server-Timing") ?? "").matchAll(/([\w-]+);dur=([\d.]+)/g);
  const took = [...stages, ["", "round trip", roundTrip]].map(
    ([, stage, milliseconds]) => `${stage} ${Number(milliseconds).toFixed(1)} ms`,
  );
  return `${took.join(" · ")}\n${model} ${version} · request ${request_id}`;
}

export function readClass({ label, probability, probabilities }) {
  const bars = Object.entries(probabilities).map(([name, share]) => ({ name, share, best: name === label }));
  return { headline: label, support: `${percent(probability)} probable`, bars };
}

export function readPrice({ price, low, high, coverage, currency, basis }) {
  const [headline, from, to] = [price, low, high].map((amount) => money(amount, currency));
  const share = coverage.toLocaleString("en", { style: "percent" });
  const support = `${basis}, ${currency}. ${share} of true prices lie between ${from} and ${to}.`;
  return { headline, support, range: { price, low, high, from, to } };
}

export function show({
  kind = "idle",
  headline = "",
  support = "The answer appears here.",
  familiar = true,
  retry = false,
  bars = [],
  range = null,
  small = "",
}) {
  at("answer").ariaBusy = "false";
  at("answer").className = familiar ? kind : `${kind} unfamiliar`;
  at("headline").textContent = headline;
  at("support").textContent = support;
  at("caution").hidden = familiar;
  at("again").hidden = !retry;
  at("timing").textContent = small;
  showBars(bars);
  showRange(range);
}

export function showProblem({ title, detail, status, request_id }) {
  // The same picture again helps only where the fault was not in it.
  const retry = !(status < 500) || status === 429;
  const small = request_id ? `request ${request_id}` : "";
  show({ kind: "problem", headline: title, support: detail, retry, small });
  at("locked").hidden = status !== 401;
}

// Bars stay the same elements from answer to answer, so that they move instead of blinking.
function showBars(bars) {
  const list = at("bars");
  while (list.children.length > bars.length) list.lastElementChild.remove();
  while (list.children.length < bars.length) list.append(at("bar").content.cloneNode(true));
  bars.forEach(({ name, share, best }, index) => {
    const bar = list.children[index];
    bar.className = best ? "best" : "";
    bar.firstElementChild.textContent = name;
    bar.lastElementChild.textContent = percent(share);
    bar.style.setProperty("--share", share.toFixed(2));
  });
}

// On a scale from zero: whether an interval is wide shows only beside the whole price.
function showRange(range) {
  at("range").hidden = !range;
  if (!range) return;
  for (const end of ["price", "low", "high"]) {
    at("range").style.setProperty(`--${end}`, range[end] / (1.1 * range.high));
  }
  at("low").textContent = range.from;
  at("high").textContent = range.to;
}
