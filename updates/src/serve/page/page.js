// The page: what is asked is in the address, so that every view can be linked, and the back button works.
import { detail, el, overview, signOf } from "./answers.js";

const $ = (id) => document.getElementById(id);
const main = $("main");
/** While there is no graph yet the page asks again after this. */
const AGAIN_MS = 3000;

let channels = [];
let running = new AbortController();
let listed = "All";
/** The explanation that is shown, and what it is of. */
let known = { of: "" };

const asked = () => {
  const query = new URLSearchParams(location.search);
  const of = (name) => query.get(name) ?? "";
  return { channel: of("channel"), arch: of("arch"), from: of("from"), to: of("to"), edges: of("edges") };
};

function queryOf(question) {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(question)) if (value) query.set(name, value);
  return query.toString();
}

/** The address of what is asked now, with changes. */
const link = (changes) => `${location.pathname}?${queryOf({ ...asked(), ...changes })}`;

function go(changes) {
  history.pushState(null, "", link(changes));
  return show();
}

async function get(path, signal) {
  const reply = await fetch(path, { signal });
  if (reply.ok) return reply;
  const says = await reply.json().catch(() => ({}));
  const failure = new Error(says.value ?? `${reply.status} ${reply.statusText}`);
  failure.status = reply.status;
  failure.kind = says.kind;
  throw failure;
}

function trouble(message) {
  $("trouble").hidden = !message;
  $("trouble").textContent = message ?? "";
}

const numbers = (text) => text.split(/[^0-9]+/).filter(Boolean).map(Number);

/** Channels of the same kind together, those of newer releases first. */
function newerFirst(one, other) {
  const [a, b] = [numbers(one), numbers(other)];
  for (let at = 0; at < Math.max(a.length, b.length); at += 1) {
    if ((a[at] ?? 0) !== (b[at] ?? 0)) return (b[at] ?? 0) - (a[at] ?? 0);
  }
  return one.localeCompare(other);
}

const kindOf = (channel) => (channel.includes("-") ? channel.slice(0, channel.indexOf("-")) : "other");

function fillChannels() {
  const names = channels.map((channel) => channel.name).sort(newerFirst);
  const first = ["stable", "fast", "eus", "candidate"];
  const kinds = [...new Set([...first, ...names.map(kindOf).sort()])];
  const groups = kinds
    .map((kind) => [kind, names.filter((name) => kindOf(name) === kind)])
    .filter(([, of]) => of.length > 0)
    .map(([kind, of]) => el("optgroup", { label: kind }, of.map((name) => el("option", {}, name))));
  $("channel").replaceChildren(...groups);
}

/** What is asked, with what was left open filled in. */
function whole() {
  const question = asked();
  if (!question.channel) question.channel = $("channel").options[0]?.value ?? "";
  const releases = channels.find((channel) => channel.name === question.channel)?.releases ?? {};
  const archs = Object.keys(releases);
  if (!question.arch) question.arch = archs.includes("amd64") ? "amd64" : (archs[0] ?? "amd64");
  if (!question.from) question.to = "";
  return { question, archs };
}

/** Chooses a value, also one that is not among the options: an address may name anything. */
function choose(select, value) {
  if (value && ![...select.options].some((option) => option.value === value)) {
    select.append(el("option", { value }, value));
  }
  select.value = value;
}

const minorOf = (version) => version.split(".", 2).join(".");

function versionOptions(nodes, none) {
  const groups = [];
  for (const node of nodes) {
    const { version, mark } = node;
    const minor = minorOf(version);
    if (groups.at(-1)?.label !== minor) groups.push(el("optgroup", { label: minor }));
    groups.at(-1).append(el("option", { value: version }, mark ? `${mark} ${version}` : version));
  }
  return [el("option", { value: "" }, none), ...groups];
}

function fillForm(question, archs, releases) {
  choose($("channel"), question.channel);
  $("arch").replaceChildren(...archs.map((arch) => el("option", {}, arch)));
  choose($("arch"), question.arch);
  $("from").replaceChildren(...versionOptions(releases, "choose a version"));
  choose($("from"), question.from);
  const newer = (known.explanation?.releases ?? []).map((one) => ({ version: one.version, mark: signOf(one.verdict) }));
  $("to").replaceChildren(...versionOptions(newer, "any release"));
  choose($("to"), question.to);
  $("to").disabled = !question.from;
  $("all-edges").checked = question.edges === "all";
}

function addresses(question) {
  const { channel, arch } = question;
  const query = queryOf(question);
  $("as-svg").href = `graph.svg?${query}`;
  $("as-dot").href = `graph.dot?${query}`;
  $("as-json").href = question.from ? `v1/explain?${query}` : `v1/graph?${queryOf({ channel, arch })}`;
  const { from, to } = question;
  document.title = [from && to ? `${from} to ${to}` : from, channel, "Updates"].filter(Boolean).join(" · ");
}

/** The picture. If it cannot show what was chosen, it shows the channel. */
async function picture(question, signal) {
  const { channel, arch, edges } = question;
  try {
    return { text: await (await get(`graph.svg?${queryOf(question)}`, signal)).text() };
  } catch (failure) {
    if (failure.name === "AbortError") throw failure;
    const plainer = queryOf(failure.kind === "picture_too_large" ? { ...question, edges: "" } : { channel, arch, edges });
    return { text: await (await get(`graph.svg?${plainer}`, signal)).text(), failure };
  }
}

function draw(text, question) {
  const frame = $("picture");
  const place = { top: frame.scrollTop, left: frame.scrollLeft, empty: frame.childElementCount === 0 };
  // The page has the same style itself, and its policy takes none from within.
  const plain = text.replace(/<style>[^<]*<\/style>/, "");
  const drawn = document.importNode(new DOMParser().parseFromString(plain, "image/svg+xml").documentElement, true);
  frame.replaceChildren(drawn);
  frame.scrollTo(place.left, place.top);
  const releases = [...drawn.querySelectorAll("a.release")];
  const chosen = releases.find((one) => one.dataset.version === (question.to || question.from));
  for (const release of releases) release.setAttribute("tabindex", "-1");
  (chosen ?? releases.at(-1))?.setAttribute("tabindex", "0");
  if (chosen) {
    chosen.setAttribute("aria-current", "true");
    reveal(frame, chosen);
  } else if (place.empty) {
    frame.scrollTo(0, 0);
  }
  return releases.reverse().map((one) => ({ version: one.dataset.version }));
}

/** Scrolls the frame, and nothing around it, so that a release can be seen. */
function reveal(frame, release) {
  const [outer, inner] = [frame.getBoundingClientRect(), release.getBoundingClientRect()];
  const hidden = inner.top < outer.top || inner.bottom > outer.bottom || inner.left < outer.left || inner.right > outer.right;
  if (hidden) {
    frame.scrollTop += inner.top - outer.top - outer.height / 2;
    frame.scrollLeft += inner.left - outer.left - outer.width / 2;
  }
}

/** The explanation of all newer releases; and of the one that is asked about, if it is not among them. */
async function explain(question, signal) {
  const { channel, arch, from, to } = question;
  const of = queryOf({ channel, arch, from });
  if (known.of !== of) {
    const explanation = await (await get(`v1/explain?${of}`, signal)).json();
    known = { of, explanation };
  }
  const among = known.explanation.releases.find((one) => one.version === to);
  if (!to || among) return among;
  const single = await (await get(`v1/explain?${of}&${queryOf({ to })}`, signal)).json();
  return single.releases[0];
}

function tell(question, release) {
  const told = $("told");
  if (!question.from) {
    known = { of: "" };
    told.replaceChildren(
      el("h2", {}, question.channel),
      el("p", {}, "Choose the version that the cluster has, above or in the picture. Then every release says whether the cluster can go there, by which way, and if not, why not."));
    return;
  }
  told.replaceChildren(...(release
    ? detail(known.explanation.from, release, link)
    : overview(known.explanation, link, listed)));
}

async function show() {
  running.abort();
  running = new AbortController();
  const { signal } = running;
  main.dataset.state = "loading";
  try {
    if (channels.length === 0) {
      channels = (await (await get("v1/channels", signal)).json()).channels;
      fillChannels();
    }
    const { question, archs } = whole();
    addresses(question);
    const explaining = question.from
      ? explain(question, signal).then((release) => ({ release }), (failure) => ({ failure }))
      : Promise.resolve({});
    const [shown, explained] = await Promise.all([picture(question, signal), explaining]);
    if (explained.failure?.name === "AbortError") return;
    const releases = draw(shown.text, question);
    if (explained.failure) known = { of: "" };
    fillForm(question, archs, releases);
    $("legend").hidden = !question.from || Boolean(explained.failure);
    trouble(explained.failure?.message ?? shown.failure?.message);
    if (explained.failure) $("told").replaceChildren();
    else tell(question, explained.release);
    main.dataset.state = "ready";
  } catch (failure) {
    if (failure.name === "AbortError") return;
    trouble(`The update service says: ${failure.message}`);
    $("told").replaceChildren();
    main.dataset.state = "failed";
    if (failure.status === undefined || failure.status === 503) setTimeout(() => signal.aborted || show(), AGAIN_MS);
  }
}

/** The next release in a direction: along its lane, or the nearest one of the lane beside it. */
function neighbour(release, key) {
  const all = [...$("picture").querySelectorAll("a.release")];
  const lane = Number(release.dataset.lane);
  const height = (one) => Number(one.querySelector("rect").getAttribute("y"));
  if (key === "Home") return all.at(-1);
  if (key === "End") return all[0];
  if (key === "ArrowUp" || key === "ArrowDown") {
    const same = all.filter((one) => Number(one.dataset.lane) === lane);
    return same[same.indexOf(release) + (key === "ArrowUp" ? 1 : -1)];
  }
  const beside = all.filter((one) => Number(one.dataset.lane) === lane + (key === "ArrowRight" ? 1 : -1));
  const distance = (one) => Math.abs(height(one) - height(release));
  return beside.sort((one, other) => distance(one) - distance(other))[0];
}

$("picture").addEventListener("keydown", (event) => {
  const release = event.target.closest("a.release");
  if (!release || !["ArrowUp", "ArrowDown", "ArrowLeft", "ArrowRight", "Home", "End"].includes(event.key)) return;
  const next = neighbour(release, event.key);
  event.preventDefault();
  if (!next) return;
  release.setAttribute("tabindex", "-1");
  next.setAttribute("tabindex", "0");
  next.focus({ preventScroll: true });
  reveal($("picture"), next);
});

document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape" || event.target.matches("select")) return;
  const { from, to } = asked();
  if (to) go({ to: "" });
  else if (from) go({ from: "" });
});

/** A link to another view of this page changes the view, and loads nothing that is here already. */
document.addEventListener("click", async (event) => {
  const anchor = event.target.closest("a");
  if (!anchor || event.defaultPrevented || event.button !== 0 || event.ctrlKey || event.metaKey || event.shiftKey) return;
  const address = anchor.getAttribute("href") ?? "";
  const inPicture = $("picture").contains(anchor);
  if (!inPicture && !address.startsWith(`${location.pathname}?`)) return;
  event.preventDefault();
  const query = new URLSearchParams(address.slice(address.indexOf("?")));
  const inAnswer = $("told").contains(anchor);
  await go({ to: "", ...Object.fromEntries(query) });
  if (inPicture) $("picture").querySelector('a.release[tabindex="0"]')?.focus({ preventScroll: true });
  if (inAnswer) $("answer").focus({ preventScroll: true });
});

$("skip").addEventListener("click", () => $("answer").focus());
$("skip-to-picture").addEventListener("click", () => $("picture").querySelector('a.release[tabindex="0"]')?.focus());
$("channel").addEventListener("change", () => go({ channel: $("channel").value, to: "" }));
$("arch").addEventListener("change", () => go({ arch: $("arch").value, to: "" }));
$("from").addEventListener("change", () => go({ from: $("from").value, to: "" }));
$("to").addEventListener("change", () => go({ to: $("to").value }));
$("all-edges").addEventListener("change", () => go({ edges: $("all-edges").checked ? "all" : "" }));
$("question").addEventListener("submit", (event) => event.preventDefault());
$("told").addEventListener("change", (event) => {
  if (event.target.name !== "listed") return;
  listed = event.target.value;
  tell(whole().question, undefined);
  $("told").querySelector("input:checked")?.focus();
});
addEventListener("popstate", show);
show();
