// What an explanation says, as elements of the page. Everything that comes from data becomes text, never markup.

/** Makes an element: attributes, then children, which are elements or texts. */
export function el(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value !== undefined && value !== false) element.setAttribute(key, value === true ? "" : value);
  }
  element.append(...children.flat().filter((child) => child !== undefined && child !== ""));
  return element;
}

const SIGNS = { Recommended: "✓", WithRisks: "!", No: "✕" };
const CLASSES = { Recommended: "good", WithRisks: "risks", No: "no" };
const WORDS = { Recommended: "recommended", WithRisks: "only with known issues", No: "no way" };

const plural = (count, word) => `${count} ${word}${count === 1 ? "" : "s"}`;

export const signOf = (verdict) => SIGNS[verdict] ?? "";

function sign(verdict) {
  return el("b", { class: "sign", "aria-hidden": "true" }, SIGNS[verdict]);
}

/** The way that is told first. */
function best(release) {
  return release.recommended?.[0] ?? release.withRisks;
}

/** One line on a release. */
function brief(release) {
  const way = best(release);
  if (way) {
    const over = way.slice(0, -1).map((hop) => hop.to);
    const steps = over.length === 0 ? "1 step" : `${way.length} steps, over ${over.join(", ")}`;
    const risks = [...new Set(way.flatMap((hop) => hop.risks ?? []))];
    return risks.length === 0 ? steps : `${steps}; unless ${risks.join(", ")}`;
  }
  return release.reasons?.[0]?.message ?? "";
}

/** What a version may go to, newest first. `link` makes the address of a question. */
export function overview(explanation, link, shown) {
  const releases = explanation.releases;
  const count = (verdict) => releases.filter((one) => one.verdict === verdict).length;
  const newest = releases.find((one) => one.verdict === "Recommended");
  const parts = [el("h2", {}, `From ${explanation.from}`)];
  if (releases.length === 0) {
    parts.push(el("p", {}, "It is the newest release of the channel."));
    return parts;
  }
  if (newest) {
    parts.push(
      el("p", { class: "lead good" }, sign("Recommended"), "The newest recommended release is ",
        el("a", { href: link({ to: newest.version }) }, newest.version), `: ${brief(newest)}.`));
  } else {
    parts.push(el("p", { class: "lead no" }, sign("No"), "No newer release is recommended without reserve."));
  }
  parts.push(filter(shown, { All: releases.length, Recommended: count("Recommended"), WithRisks: count("WithRisks"), No: count("No") }));
  const rows = releases
    .filter((one) => shown === "All" || one.verdict === shown)
    .map((one) =>
      el("li", { class: CLASSES[one.verdict] },
        el("a", { href: link({ to: one.version }), "data-to": one.version },
          sign(one.verdict), el("span", { class: "version" }, one.version),
          el("span", { class: "unseen" }, `${WORDS[one.verdict]}: `),
          el("span", { class: "brief" }, brief(one)))));
  parts.push(el("ul", { class: "releases" }, rows));
  return parts;
}

/** The choice of which releases are listed: radio buttons, so that arrow keys work as everywhere. */
function filter(shown, counts) {
  const names = { All: "All", Recommended: "✓ Recommended", WithRisks: "! Known issues", No: "✕ No way" };
  const choices = Object.entries(counts).map(([value, count]) =>
    el("label", {},
      el("input", { type: "radio", name: "listed", value, checked: value === shown }),
      el("span", {}, `${names[value]} ${count}`)));
  return el("fieldset", { class: "filter" }, el("legend", { class: "unseen" }, "Which releases are listed"), choices);
}

/** Everything about one release. */
export function detail(from, release, link) {
  const verdict = release.verdict;
  const way = best(release);
  const parts = [
    el("p", {}, el("a", { href: link({ to: "" }), id: "back" }, `‹ all that ${from} can go to`)),
    el("h2", {}, `${from} to ${release.version}`),
    el("p", { class: `lead ${CLASSES[verdict]}` }, sign(verdict),
      way ? `${WORDS[verdict]}, in ${plural(way.length, "step")}` : WORDS[verdict]),
  ];
  const ways = [...(release.recommended ?? []), ...(release.withRisks ? [release.withRisks] : [])];
  if (ways.length > 0) {
    parts.push(el("h3", {}, ways.length === 1 ? "The way" : "Ways that are as short"));
    parts.push(el("ul", { class: "ways" }, ways.map((one) => el("li", {}, hops(from, one, link)))));
  }
  if (release.risks?.length > 0) {
    parts.push(el("h3", {}, verdict === "Recommended" ? "Not directly, because of" : "Known issues"));
    parts.push(...release.risks.map(issue));
  }
  if (release.reasons?.length > 0) {
    parts.push(el("h3", {}, way ? "Not directly, because" : "Because"));
    parts.push(el("ul", { class: "reasons" }, release.reasons.map((one) =>
      el("li", {}, el("b", {}, one.reason), " ", one.message))));
  }
  return parts;
}

function hops(from, way, link) {
  const steps = [el("span", { class: "hop" }, from)];
  for (const hop of way) {
    steps.push(el("span", { class: "arrow", "aria-label": "to" }, "→"));
    steps.push(el("a", { class: hop.risks ? "hop risks" : "hop", href: link({ to: hop.to }) }, hop.to));
    if (hop.risks) steps.push(el("span", { class: "unless" }, `unless ${hop.risks.join(", ")}`));
  }
  return steps;
}

/** A link only if it leads into the web: graph data may name anything. */
function more(url) {
  return /^https?:\/\//.test(url ?? "") ? el("a", { href: url, rel: "noreferrer" }, url) : (url ?? "");
}

function rule(one) {
  if (one.type === "Always") return el("li", {}, "concerns every cluster");
  if (one.promql?.promql) {
    return el("li", {}, "asks the cluster's metrics", el("pre", { tabindex: "0" }, el("code", {}, one.promql.promql.trim())));
  }
  return el("li", {}, one.type);
}

function issue(risk) {
  return el("article", { class: "issue" },
    el("h4", {}, risk.name),
    el("p", {}, (risk.message ?? "").trim()),
    el("p", { class: "quiet" }, more(risk.url)),
    el("details", {}, el("summary", {}, "How a cluster finds out whether it is concerned"),
      el("ul", {}, (risk.matchingRules ?? []).map(rule))),
    el("p", { class: "quiet" }, risk.file));
}
