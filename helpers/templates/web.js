// The page of helpers/export/web_page.py: the user's choices, and the notes that the worker generates for them. Needs
// sampler.js, keys.js, latents.js and points.js.
const MAX_KEPT = 6; // instruments whose notes are kept: 6 MB each
const DRAWN_BY = [1, 40]; // seed and number of random instruments, for a model without named ones
const PEAK = 0.9; // of the first note; all others are scaled with it, to keep their relative levels
const LARGEST = 32e6; // bytes of a file of instruments
const NEAR = 28, MARGIN = 16; // pixels
const MB = 1e6;

(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const $ = (id) => document.getElementById(id);
  const fail = (text) => {
    $("trouble").textContent = text;
    $("trouble").hidden = false;
    $("loading").hidden = true;
  };
  if (location.protocol === "file:") return fail("Browsers load the network only from a server: run “python3 -m http.server” in the folder of this page and open http://localhost:8000.");
  if (!window.AudioContext) return fail("This browser cannot play sound: it does not support Web Audio.");
  if (typeof WebAssembly !== "object") return fail("This browser cannot run the network: it does not support WebAssembly, or it is disabled.");
  if (!window.Worker || !window.DecompressionStream) return fail("This browser is too old to run the network: it does not support DecompressionStream.");

  const context = new AudioContext({ latencyHint: "interactive" });
  const sampler = makeSampler(context);
  const worker = new Worker(data.worker, { type: "module" });
  const keys = makeKeys($("keys"), { context, sampler, scope: document, played: (key) => worker.postMessage({ near: (lately = key) }) });
  const known = data.instruments.length ? data.instruments.map(({ name, z }) => ({ name, z })) : Array.from({ length: DRAWN_BY[1] }, (_, i) => byseed(DRAWN_BY[0], i));
  const kept = new Map(); // latent -> zones, the latest last
  let turn = 0, lately, loudest = 0, current = null, number = 0;

  function byseed(seed, i) {
    return { name: `${data.name} ${seed}-${i}`, z: drawn(data, seed, i), seed };
  }

  // ------------------------------------------------------------------------------------------------------ the notes
  const tell = (ready, of) => ($("made").textContent = ready < of ? `${ready} of ${of} notes` : `${of} notes, every third pitch; keys in between play the nearest one`);
  const choose = (instrument) => {
    current = instrument;
    turn++;
    $("name").textContent = instrument.name;
    for (const button of $("names").children) button.setAttribute("aria-pressed", button.textContent === instrument.name);
    const latent = instrument.z.join(" "), zones = kept.get(latent) ?? [];
    kept.delete(latent);
    if (zones.isWhole) {
      kept.set(latent, zones);
      sampler.clear();
      zones.forEach(sampler.add);
      tell(zones.length, zones.length);
      worker.postMessage({ rest: true });
    } else {
      sampler.age();
      $("made").textContent = "Generating the first note …";
      worker.postMessage({ make: turn, z: instrument.z, near: lately });
    }
    keys.show();
  };
  const take = ({ turn: of, zone, wave, ready, of: count }) => {
    if (of !== turn) return;
    loudest ||= wave.reduce((most, value) => Math.max(most, Math.abs(value)), 1e-6);
    const buffer = new AudioBuffer({ length: wave.length, sampleRate: data.sample_rate });
    buffer.copyToChannel(wave, 0);
    const latent = current.z.join(" "), made = { ...zone, gain: PEAK / loudest, buffer };
    const zones = [...(kept.get(latent) ?? []).filter((other) => other.low !== zone.low), made];
    zones.isWhole = ready === count;
    kept.delete(latent);
    kept.set(latent, zones);
    if (kept.size > MAX_KEPT) kept.delete(kept.keys().next().value);
    sampler.add(made);
    tell(ready, count);
    keys.show();
  };
  worker.onmessage = ({ data: said }) => {
    if (said.trouble) fail(said.trouble);
    else if (said.zone) take(said);
    else if (said.ready) begin();
    else if (said.have !== undefined) {
      $("bar").value = said.have / said.of;
      $("loaded").textContent = said.have < said.of ? `Loading ${(said.have / MB).toFixed(1)} of ${(said.of / MB).toFixed(1)} MB …` : "Preparing the network …";
    }
  };
  worker.onerror = (event) => {
    event.preventDefault();
    fail(`${data.worker} cannot be run: the file is missing next to this page, or this browser is too old for it.`);
  };
  const begin = () => {
    $("loading").hidden = true;
    for (const id of ["play", "find"]) $(id).hidden = false;
    map.lay();
    choose(known[0]);
  };

  // -------------------------------------------------------------------------------------------------------- by name
  const list = () => {
    const words = $("search").value.toLowerCase().split(/\s+/);
    for (const button of $("names").children) button.hidden = !words.every((word) => button.textContent.toLowerCase().includes(word));
  };
  const enter = (instrument, isFirst) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = instrument.name;
    button.addEventListener("click", () => {
      choose(instrument);
      $("first").value = known.indexOf(instrument);
      $("share").value = 0;
      sayBlend();
    });
    $("names")[isFirst ? "prepend" : "append"](button);
    for (const id of ["first", "second"]) $(id).add(new Option(instrument.name, known.indexOf(instrument)));
  };
  $("search").addEventListener("input", list);

  // ---------------------------------------------------------------------------------------------------- between two
  const sayBlend = () => {
    const [a, b] = ["first", "second"].map((id) => known[$(id).value].name), share = Number($("share").value);
    $("blend").textContent = `${a} ${100 - share}\u00a0% · ${b} ${share}\u00a0%`;
  };
  const blend = () => {
    const [a, b] = ["first", "second"].map((id) => known[$(id).value]), share = Number($("share").value);
    sayBlend();
    if (share % 100 === 0) return choose(share ? b : a);
    choose({ name: `${a.name} > ${b.name} ${share}%`, z: slerp(a.z, b.z, share / 100) });
  };
  for (const id of ["first", "second"]) $(id).addEventListener("change", blend);
  $("share").addEventListener("input", blend);

  // -------------------------------------------------------------------------------------------------------- by seed
  const draws = (i) => {
    if (!$("seed").reportValidity() || $("seed").value === "") return;
    number = i;
    choose(byseed(Number($("seed").value), number));
  };
  $("draw").addEventListener("submit", (event) => {
    event.preventDefault();
    draws(0);
  });
  $("next").addEventListener("click", () => draws(number + 1));
  $("seed").addEventListener("input", () => (number = -1));

  // ----------------------------------------------------------------------------------------------------- on the map
  const makeMap = ({ points, labels, members, families, sources, axes, about }) => {
    const svg = $("map"), label = document.querySelector(".map .label");
    const dots = draw(svg, "g"), ring = draw(svg, "circle", { class: "ring", r: 10, visibility: "hidden" });
    const marks = members.map((family) => drawPoint(dots, families[family]));
    let places = [], chosen = -1, hovered = -1;
    const size = () => [svg.clientWidth || 600, svg.clientHeight || 400];
    const show = () => {
      const at = hovered >= 0 ? hovered : chosen;
      ring.setAttribute("visibility", chosen < 0 ? "hidden" : "visible");
      if (chosen >= 0) ring.setAttribute("transform", `translate(${places[chosen]})`);
      label.hidden = at < 0;
      if (at < 0) return;
      label.replaceChildren(Object.assign(document.createElement("b"), { textContent: labels[at][0] }), labels[at][1]);
      placeLabel(label, places[at], size());
    };
    const lay = () => {
      const [width, height] = size(), scale = pointScale(width, height, points.length);
      svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
      places = points.map(([x, y]) => [MARGIN + x * (width - 2 * MARGIN), MARGIN + y * (height - 2 * MARGIN)]);
      marks.forEach((mark, i) => mark.setAttribute("transform", `translate(${places[i]}) scale(${scale})`));
      show();
    };
    const pick = (i) => {
      if (i < 0) return;
      chosen = i;
      const { own, z, seed, number: at } = sources[i];
      choose(own !== undefined ? known[own] : z ? { name: labels[i][0], z } : byseed(seed, at));
      show();
    };
    const at = (event) => {
      const box = svg.getBoundingClientRect();
      return nearestPoint(places, [event.clientX - box.left, event.clientY - box.top], NEAR);
    };
    const hover = (i) => {
      hovered = i;
      show();
    };
    svg.addEventListener("click", (event) => pick(at(event)));
    svg.addEventListener("pointermove", (event) => event.pointerType === "mouse" && hover(at(event)));
    svg.addEventListener("pointerleave", () => hover(-1));
    svg.addEventListener("keydown", (event) => {
      const way = WAYS[event.key];
      if (!way || event.ctrlKey || event.metaKey || event.altKey) return;
      event.preventDefault();
      hovered = -1;
      pick(chosen < 0 ? nearestPoint(places, size().map((side) => side / 2), Infinity) : nextPoint(places, chosen, way));
    });
    new ResizeObserver(lay).observe(svg);
    [$("across").textContent, $("up").textContent] = axes.map((axis, i) => axis && `${axis} ${"→↑"[i]}`);
    $("about").textContent = about;
    fillLegend(document.querySelector(".map .legend"), families, members);
    return { lay };
  };

  // ---------------------------------------------------------------------------------------------------------- files
  $("save").addEventListener("click", () => {
    const { name, z, seed = null } = current;
    const row = { name, z: [...z], checkpoint: data.name, fingerprint: data.fingerprint, seed };
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([JSON.stringify({ format: data.format, instruments: [row] }, null, 1)], { type: "application/json" }));
    const plain = name.replace(/[^\p{L}\p{N} .()-]+/gu, "_").slice(0, 80);
    link.download = `${/[\p{L}\p{N}]/u.test(plain) ? plain : "instrument"}.json`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60000);
  });
  const read = async (file) => {
    const wrong = `${file.name} is not a file of instruments.`;
    if (file.size > LARGEST) throw wrong;
    const rows = await file.text().then((text) => JSON.parse(text).instruments).catch(() => null);
    if (!Array.isArray(rows) || !rows.length) throw wrong;
    return rows.map(({ name, z, fingerprint, checkpoint, seed }) => {
      const isLatent = Array.isArray(z) && z.length === data.latent_size && z.every((value) => Number.isFinite(value) && Math.abs(value) <= data.limits.number);
      const isName = typeof name === "string" && [...name].length <= data.limits.name;
      const isSeed = seed == null || (Number.isInteger(seed) && seed >= 0 && seed < 2 ** 32);
      if (!isName || !isLatent || !isSeed) throw wrong;
      const owner = checkpoint === data.name ? `another model named ${checkpoint}` : checkpoint || "another model";
      if (fingerprint && fingerprint !== data.fingerprint) throw `${name} was made for ${owner}; on ${data.name} it would be a different sound.`;
      return { name, z, seed: seed ?? null };
    });
  };
  $("open").addEventListener("change", async () => {
    const [file] = $("open").files;
    $("open").value = "";
    if (!file) return;
    try {
      const opened = await read(file);
      $("trouble").hidden = true;
      for (const instrument of opened.toReversed()) {
        known.push(instrument);
        enter(instrument, true);
      }
      $("names").scrollTop = 0;
      choose(opened[0]);
    } catch (error) {
      $("trouble").textContent = String(error);
      $("trouble").hidden = false;
    }
  });

  known.forEach((instrument) => enter(instrument, false));
  $("second").value = known.length > 1 ? 1 : 0;
  sayBlend();
  const map = makeMap(data.map);
  $("trouble").hidden = true;
  $("loading").hidden = false;
  const { map: _, worker: __, ...about } = data;
  worker.postMessage({ load: { ...about, instruments: [] } });
})();
