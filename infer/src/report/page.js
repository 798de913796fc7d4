"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const get = (id) => document.getElementById(id);
  const body = document.querySelector("#list tbody");
  const CHUNK = 100;
  const ORDER = { synthetic: 0, tampered: 1, error: 2, abstain: 3, authentic: 4 };
  data.forEach((item, index) => {
    item.o = index;
    item.find = [item.p, item.e || "", ...item.w].join("\n").toLowerCase();
  });
  let sorting = { key: "s", down: true };
  let shown = [];
  let drawn = 0;
  let open = -1;

  // Missing values come last, whichever way is sorted; the order of the scan breaks ties.
  const collator = new Intl.Collator(undefined, { numeric: true });
  const value = (item, key) => (key === "v" ? ORDER[item.v] : item[key]);
  function compare(a, b) {
    const [x, y] = [value(a, sorting.key), value(b, sorting.key)];
    if (x == null || y == null) return x == null && y == null ? a.o - b.o : x == null ? 1 : -1;
    const by = typeof x === "string" ? collator.compare(x, y) : x - y;
    return (sorting.down ? -by : by) || a.o - b.o;
  }

  function apply() {
    const verdicts = new Set([...document.querySelectorAll("[name=verdict]:checked")].map((box) => box.value));
    const text = get("text").value.trim().toLowerCase();
    const low = get("low").valueAsNumber;
    const high = get("high").valueAsNumber;
    const modality = get("modality").value;
    shown = data.filter((item) =>
      verdicts.has(item.v)
      && (text === "" || item.find.includes(text))
      && (Number.isNaN(low) || (item.s != null && item.s >= low))
      && (Number.isNaN(high) || (item.s != null && item.s <= high))
      && (modality === "*" || (item.m || "") === modality));
    shown.sort(compare);
    body.replaceChildren();
    drawn = 0;
    draw();
    const number = (count) => count.toLocaleString("en");
    get("shown").textContent = shown.length === data.length
      ? `${number(data.length)} images`
      : `${number(shown.length)} of ${number(data.length)} images`;
    for (const head of document.querySelectorAll("#list th[data-key]")) {
      if (head.dataset.key === sorting.key) head.setAttribute("aria-sort", sorting.down ? "descending" : "ascending");
      else head.removeAttribute("aria-sort");
    }
    const chosen = sorting.key + (sorting.down ? "-" : "+");
    const select = get("sort");
    select.value = [...select.options].some((option) => option.value === chosen) ? chosen : "";
  }

  function element(name, properties = {}, ...children) {
    const made = document.createElement(name);
    for (const [key, content] of Object.entries(properties)) {
      if (key === "class") made.className = content;
      else if (key in made) made[key] = content;
      else made.setAttribute(key, content);
    }
    made.append(...children.filter((child) => child != null));
    return made;
  }

  // Names come from files: control characters are shown, not obeyed.
  const plain = (text) => text.replace(/[\u0000-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]/g,
    (character) => "\\u{" + character.codePointAt(0).toString(16) + "}");
  const score = (item) => (item.s == null ? "–" : item.s.toFixed(3));
  const size = (item) => (item.r ? `${item.c}×${item.r}${item.n > 1 ? ` · ${item.n} frames` : ""}` : "–");
  const why = (item) => item.e || item.w[0] || "";
  const fit = (item, box) => {
    const scale = box / Math.max(item.r, item.c);
    return [Math.max(1, Math.round(item.c * scale)), Math.max(1, Math.round(item.r * scale))];
  };

  function thumb(item) {
    const place = element("div", { class: "thumb" });
    if (!item.t) {
      place.textContent = item.v === "error" ? "not read" : "no preview";
      return place;
    }
    const [width, height] = fit(item, 96);
    place.append(element("img", {
      class: item.s == null ? "" : "two", loading: "lazy", decoding: "async", alt: "", width, height,
      style: `width:${width}px;height:${height}px`, src: `${item.t}.jpg`,
    }));
    return place;
  }

  function row(item, index) {
    const name = element("button", { class: "open", type: "button" }, plain(item.p));
    const made = element("tr", { "data-at": index },
      element("td", {}, thumb(item)),
      element("td", {}, element("span", { class: `verdict ${item.v}` }, item.v)),
      element("td", {}, score(item)),
      element("td", {}, name, element("div", { class: "reason" }, plain(why(item)))),
      element("td", {}, item.m ? plain(item.m) : "–"),
      element("td", { class: "size" }, size(item)));
    return made;
  }

  function draw() {
    const end = Math.min(drawn + CHUNK, shown.length);
    const rows = [];
    for (; drawn < end; drawn += 1) rows.push(row(shown[drawn], drawn));
    body.append(...rows);
    get("more").hidden = drawn >= shown.length;
  }

  function facts(pairs) {
    const list = element("dl", { class: "facts" });
    for (const [name, content] of pairs) {
      if (content != null && content !== "" && content !== "–") list.append(element("dt", {}, name), element("dd", {}, content));
    }
    return list;
  }

  function stage(item) {
    if (!item.t) return element("p", { class: "soft" }, "No preview.");
    const source = `${item.t}${item.l ? "-large" : ""}.jpg`;
    const [width, height] = fit(item, 384);
    const picture = element("div", { class: "stage", style: `aspect-ratio:${width}/${height}` },
      element("img", { src: source, alt: `Preview of ${plain(item.p)}` }));
    const made = element("figure", {}, picture);
    if (item.s != null) {
      const over = element("img", { class: "over", src: source, alt: "", style: "opacity:.8" });
      picture.append(over);
      const slider = element("input", { type: "range", min: 0, max: 1, step: 0.05, value: 0.8 });
      slider.addEventListener("input", () => { over.style.opacity = slider.value; });
      made.append(element("label", { class: "fade" }, "Heat map", slider));
    }
    return made;
  }

  const quoted = (text) => (/^[\w./@:+-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`);

  function show(at) {
    open = at;
    const item = shown[at];
    const command = `veraray explain ${quoted(item.p)} --html explained.html`;
    const copy = element("button", { class: "copy", type: "button" }, "Copy");
    copy.addEventListener("click", () => {
      navigator.clipboard?.writeText(command).then(() => { copy.textContent = "Copied"; }, () => { copy.textContent = "Not allowed here"; });
    });
    const list = (entries) => (entries.length ? element("ul", {}, ...entries.map((text) => element("li", {}, plain(text)))) : null);
    const section = (title, content) => (content ? element("div", {}, element("h3", {}, title), content) : null);
    const text = element("div", {},
      element("p", {}, element("span", { class: `verdict ${item.v}` }, item.v), item.s == null ? "" : ` · score ${item.s.toFixed(4)}`),
      item.e ? element("p", {}, plain(item.e)) : null,
      section("Why", list(item.w)),
      section("Regions", list(item.g.map(([frame, [x0, y0, x1, y1], strength]) =>
        `columns ${x0}–${x1}, rows ${y0}–${y1}${item.n > 1 ? `, frame ${frame}` : ""} (${strength.toFixed(2)})`))),
      section("Findings", list(item.i.map(([severity, code, message]) => `${severity}: ${message} (${code})`))),
      section("Resembles", list(Object.entries(item.x).sort((a, b) => b[1] - a[1]).slice(0, 5).map(([name, share]) => `${name} ${share.toFixed(2)}`))),
      facts([["Format", item.f], ["Modality", item.m], ["Body part", item.b], ["Size", size(item)], ["Signature", item.q],
        ["Series", item.u], ["SHA-256", item.h]]));
    get("detail-body").replaceChildren(
      element("h2", { id: "detail-title" }, plain(item.p)),
      stage(item),
      text,
      item.v === "error" ? "" : element("div", { class: "full" },
        element("h3", {}, "The whole explanation"), element("div", { class: "command" }, element("code", {}, plain(command)), copy)));
    get("previous").disabled = at === 0;
    get("next").disabled = at === shown.length - 1;
    if (!get("detail").open) get("detail").showModal();
    history.replaceState(null, "", `#image=${item.o}`);
  }

  function later(action, wait) {
    let timer;
    return () => { clearTimeout(timer); timer = setTimeout(action, wait); };
  }

  get("browse").hidden = false;
  get("filters").addEventListener("submit", (event) => event.preventDefault());
  get("filters").addEventListener("change", (event) => {
    if (event.target.id === "heat") body.classList.toggle("heats", event.target.checked);
    else if (event.target.id === "sort") sorting = { key: event.target.value[0], down: event.target.value[1] === "-" };
    if (event.target.id !== "heat") apply();
  });
  for (const id of ["text", "low", "high"]) get(id).addEventListener("input", later(apply, 150));
  get("clear").addEventListener("click", () => {
    const heat = get("heat").checked;
    get("filters").reset();
    get("heat").checked = heat;
    apply();
  });
  for (const head of document.querySelectorAll("#list th[data-key]")) {
    head.firstChild.addEventListener("click", () => {
      const key = head.dataset.key;
      sorting = { key, down: sorting.key === key ? !sorting.down : key === "s" };
      apply();
    });
  }
  body.addEventListener("click", (event) => {
    const line = event.target.closest("tr");
    if (line) show(Number(line.dataset.at));
  });
  new IntersectionObserver((entries) => {
    if (entries.some((entry) => entry.isIntersecting) && drawn < shown.length) draw();
  }, { rootMargin: "600px" }).observe(get("more"));
  get("more").firstChild.addEventListener("click", draw);
  const step = (by) => { const at = open + by; if (at >= 0 && at < shown.length) show(at); };
  get("previous").addEventListener("click", () => step(-1));
  get("next").addEventListener("click", () => step(1));
  get("close").addEventListener("click", () => get("detail").close());
  get("detail").addEventListener("click", (event) => { if (event.target === get("detail")) get("detail").close(); });
  get("detail").addEventListener("close", () => history.replaceState(null, "", location.pathname + location.search));
  get("detail").addEventListener("keydown", (event) => {
    if (event.target.type === "range") return;
    if (event.key === "ArrowLeft") step(-1);
    if (event.key === "ArrowRight") step(1);
  });
  apply();
  function follow() {
    const wanted = /^#image=(\d+)$/.exec(location.hash);
    if (!wanted) return;
    const found = () => shown.findIndex((item) => item.o === Number(wanted[1]));
    // A filter may hide what a link leads to.
    if (found() < 0) get("clear").click();
    if (found() >= 0) show(found());
  }
  addEventListener("hashchange", follow);
  follow();
})();
