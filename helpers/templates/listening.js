"use strict";
// The script of the pages of helpers/evaluation/listening.py: plays two clips, asks which one is preferred, and keeps
// the answers. The page's content security policy allows no other script.
(() => {
  const HEARD = 3; // s of a clip, or all of a shorter one, after which it counts as heard
  const FADE = 0.015; // s, crossfade when switching during playback; a shorter one would click
  const AHEAD = 0.02; // s from scheduling a sound to its start, so that it starts on time
  const CSV_HEAD = "test,session,listener,question,answer";
  const SIDES = ["a", "b"];
  const byId = (id) => document.getElementById(id);
  const test = JSON.parse(byId("test").textContent);
  const count = test.questions.length;
  const place = `gansynth-listening-${test.id}`; // where the browser keeps the answers

  const complain = (text) => {
    byId("trouble").textContent = text;
    byId("trouble").hidden = false;
  };

  // ------------------------------------------------------------------------------------------------------ the answers

  const fresh = () => {
    const bytes = crypto.getRandomValues(new Uint8Array(8));
    const session = [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
    return { session, listener: "", answers: {} };
  };

  const load = () => {
    const record = fresh();
    try {
      const kept = JSON.parse(localStorage.getItem(place));
      if (!/^[0-9a-f]{16}$/.test(kept?.session)) return record;
      record.session = kept.session;
      record.listener = String(kept.listener ?? "").slice(0, 80);
      for (let number = 1; number <= count; number += 1) {
        const answer = kept.answers?.[number];
        if ([1, 2, 3, 4, 5].includes(answer)) record.answers[number] = answer;
      }
    } catch {} // pages from a disk may have no storage
    return record;
  };

  let record = load();
  let isKept = true;
  let unsaved = false; // whether there are answers that neither the browser nor a file has

  const keep = () => {
    try {
      localStorage.setItem(place, JSON.stringify(record));
    } catch {
      unsaved = answered() > 0;
      if (isKept) {
        complain("This browser does not keep data for pages like this one, so a reload loses your answers. Save them before you close the page.");
      }
      isKept = false;
    }
    offer();
  };

  const answered = () => Object.keys(record.answers).length;

  // A name as a value in a CSV file, which a spreadsheet must not take for a formula.
  const quoted = (name) => {
    const plain = name.replace(/[\u0000-\u001f\u007f]/g, " ").trim();
    return `"${(/^[=+\-@]/.test(plain) ? `'${plain}` : plain).replaceAll('"', '""')}"`;
  };

  const csv = () => {
    const head = `${test.id},${record.session},${quoted(record.listener)}`;
    const rows = Object.entries(record.answers).map(([number, answer]) => `${head},${number},${answer}`);
    return [CSV_HEAD, ...rows, ""].join("\r\n");
  };

  // Update the links that save the answers.
  const offer = () => {
    const text = csv();
    for (const link of [byId("save"), byId("save-partial")]) {
      link.href = `data:text/csv;charset=utf-8,${encodeURIComponent(`\ufeff${text}`)}`;
      link.download = `answers-${test.id.slice(0, 6)}-${record.session.slice(0, 6)}.csv`;
    }
    byId("text").value = text;
    byId("partial").hidden = !answered() || !byId("end").hidden;
  };

  // -------------------------------------------------------------------------------------------------------- the sound

  const player = (() => {
    const decoded = new Map(); // clip -> promise of its samples, for this pair and the next
    let context = null;
    let voice = null; // the playing sound: side, source, gain, when its clip would have begun, position counted so far
    let wanted = 0; // counts requests: only the latest one may start to play
    let heard = { a: 0, b: 0 }; // s of each clip that have been played
    let seconds = { a: 0, b: 0 }; // durations of the clips, once known
    let pair = []; // clips
    let changed = () => {}; // called when a sound starts or ends

    const samples = (clip) => {
      if (!decoded.has(clip)) {
        const bytes = Uint8Array.from(atob(test.clips[clip]), (letter) => letter.charCodeAt(0));
        decoded.set(clip, context.decodeAudioData(bytes.buffer));
      }
      return decoded.get(clip);
    };

    const now = () => Math.max(0, context.currentTime - voice.began);

    const tally = () => {
      const at = Math.min(now(), seconds[voice.side]);
      heard[voice.side] += Math.max(0, at - voice.counted);
      voice.counted = at;
    };

    const silence = (at, fade) => {
      if (!voice) return;
      tally();
      const { source, gain } = voice;
      source.onended = null;
      gain.gain.setValueAtTime(1, at);
      gain.gain.linearRampToValueAtTime(0, at + fade);
      source.stop(at + fade);
      voice = null;
    };

    const follow = () => {
      if (voice) {
        tally();
        requestAnimationFrame(follow);
      }
      changed();
    };

    const stop = () => {
      wanted += 1;
      if (voice) silence(context.currentTime, FADE);
      changed();
    };

    // Play a clip, from its beginning or from the present position of the other one.
    const play = async (side, goesOn = false) => {
      const mine = (wanted += 1);
      context ??= new AudioContext();
      try {
        await context.resume();
        const buffer = await samples(pair[SIDES.indexOf(side)]);
        if (mine !== wanted) return;
        seconds[side] = buffer.duration;
        const at = context.currentTime + AHEAD;
        let offset = goesOn && voice ? at - voice.began : 0;
        if (offset >= buffer.duration) offset = 0;
        silence(at, FADE);
        const source = new AudioBufferSourceNode(context, { buffer });
        const gain = new GainNode(context, { gain: offset ? 0 : 1 }); // no fade at the start, to keep the attack
        source.connect(gain).connect(context.destination);
        if (offset) {
          gain.gain.setValueAtTime(0, at);
          gain.gain.linearRampToValueAtTime(1, at + FADE);
        }
        source.start(at, offset);
        voice = { side, source, gain, began: at - offset, counted: offset };
        source.onended = () => {
          tally();
          voice = null;
          changed();
        };
        follow();
      } catch (error) {
        complain(`This browser cannot play the clips (${error.message}). Please open the page in another one.`);
      }
    };

    return {
      play,
      stop,
      switch: () => voice && play(voice.side === "a" ? "b" : "a", true),
      ask: (clips, later, then) => {
        stop();
        changed = then;
        pair = clips;
        heard = { a: 0, b: 0 };
        seconds = { a: 0, b: 0 };
        for (const clip of decoded.keys()) if (![...clips, ...later].includes(clip)) decoded.delete(clip);
        if (context) for (const clip of [...clips, ...later]) samples(clip).catch(() => {});
      },
      get sounding() {
        return voice?.side;
      },
      has: (side) => seconds[side] > 0 && heard[side] >= Math.min(HEARD, seconds[side] - 0.1),
      share: (side) => (voice?.side === side ? Math.min(1, now() / seconds[side]) : 0),
    };
  })();

  // ----------------------------------------------------------------------------------------------------- what is shown

  let number = 1; // number of the present pair
  const radios = [...document.querySelectorAll("[name=answer]")];

  const show = (id) => {
    for (const section of document.querySelectorAll("main > section")) section.hidden = section.id !== id;
    offer();
    byId(id).querySelector("h2").focus();
    scrollTo(0, 0);
  };

  const mayAnswer = () => Boolean(record.answers[number]) || SIDES.every(player.has);

  const hint = () => {
    if (record.answers[number]) return "You can change your answer, or continue.";
    const missing = SIDES.filter((side) => !player.has(side)).map((side) => side.toUpperCase());
    return missing.length ? `Listen to ${missing.join(" and ")} first.` : "Choose an answer.";
  };

  const update = () => {
    for (const side of SIDES) {
      const button = byId(`play-${side}`);
      const sounds = player.sounding === side;
      button.setAttribute("aria-pressed", String(sounds));
      button.querySelector(".what").textContent = sounds ? "Playing" : player.has(side) ? "Play again" : "Play";
      button.querySelector("i").style.width = `${100 * player.share(side)}%`;
    }
    for (const id of ["switch", "stop"]) byId(id).disabled = !player.sounding;
    byId("scale").disabled = !mayAnswer();
    byId("next").disabled = !record.answers[number];
    if (byId("hint").textContent !== hint()) byId("hint").textContent = hint(); // screen readers announce every change
  };

  const ask = (which) => {
    number = which;
    player.ask(test.questions[number - 1], test.questions[number] ?? [], update);
    for (const radio of radios) radio.checked = Number(radio.value) === record.answers[number];
    byId("where").textContent = `Pair ${number} of ${count}`;
    byId("answered").textContent = `${answered()} answered`;
    byId("progress").value = answered();
    byId("next").textContent = number === count ? "Finish" : "Next";
    byId("back").textContent = number === 1 ? "Back to the start" : "Back";
    update();
    show("asking");
  };

  const firstOpen = () => {
    for (let open = 1; open <= count; open += 1) if (!record.answers[open]) return open;
    return 0;
  };

  const start = () => {
    const some = answered();
    byId("listener").value = record.listener;
    byId("begin").textContent = some === count ? "Go to the end" : some ? `Continue (${some} of ${count} answered)` : "Start";
    byId("start").querySelector(".anew").hidden = !some;
    show("start");
  };

  const begin = () => {
    record.listener = byId("listener").value.trim();
    keep();
    if (firstOpen()) ask(firstOpen());
    else show("end");
  };

  const answer = (value) => {
    if (!mayAnswer()) return;
    record.answers[number] = value;
    keep();
    radios[value - 1].checked = true;
    byId("answered").textContent = `${answered()} answered`;
    byId("progress").value = answered();
    update();
  };

  const next = () => {
    if (!record.answers[number]) return;
    player.stop();
    if (number < count) ask(number + 1);
    else if (firstOpen()) ask(firstOpen());
    else show("end");
  };

  const back = () => {
    player.stop();
    if (number > 1) ask(number - 1);
    else start();
  };

  const anew = () => {
    const answers = answered() === 1 ? "1 answer" : `${answered()} answers`;
    if (!confirm(`This deletes ${answers} from this page. Has the listener before you saved them?`)) return;
    record = fresh();
    keep();
    start();
  };

  // ----------------------------------------------------------------------------------------------- mouse and keyboard

  for (const side of SIDES) byId(`play-${side}`).addEventListener("click", () => player.play(side));
  byId("switch").addEventListener("click", player.switch);
  byId("stop").addEventListener("click", player.stop);
  for (const radio of radios) radio.addEventListener("change", () => answer(Number(radio.value)));
  byId("begin").addEventListener("click", begin);
  byId("next").addEventListener("click", next);
  byId("back").addEventListener("click", back);
  byId("again").addEventListener("click", () => ask(count));
  for (const button of document.querySelectorAll(".anew")) button.addEventListener("click", anew);
  for (const link of [byId("save"), byId("save-partial")]) link.addEventListener("click", () => (unsaved = false));
  addEventListener("beforeunload", (event) => unsaved && event.preventDefault());

  const keys = { a: () => player.play("a"), b: () => player.play("b"), x: player.switch, s: player.stop, p: back };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey || event.repeat || event.isComposing) return;
    if (event.key === "Enter" && !event.target.matches("button, a, summary")) {
      if (!byId("start").hidden) begin();
      else if (!byId("asking").hidden) next();
      else return;
      event.preventDefault();
    } else if (!byId("asking").hidden) { // this section has no text fields
      const key = event.key.toLowerCase();
      if (/^[1-5]$/.test(key)) answer(Number(key));
      else keys[key]?.();
    }
  });

  byId("unscripted").hidden = true;
  start();
})();
