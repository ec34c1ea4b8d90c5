"""Every public call leaves the process as it was: no setting, no random state, no folder and no picture is different.

A function that is new must be called here, or be listed with the reason why it is not.
"""

import dataclasses
import functools
import importlib
import inspect
import json
import logging
import os
import pkgutil
import random
import signal
import sys
import warnings

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pytest
import sklearn  # noqa: F401  sets two variables of the environment when it is first imported
from inputs import DATA, Stub, atlas_of, directions_of, formula_data, harmonic_wave, song_of

import helpers
from helpers import (
    audio,
    casting,
    classroom,
    classroom_server,
    dataset,
    downloads,
    drawing,
    errors,
    evaluate,
    export,
    files,
    folders,
    gansynth,
    generate,
    instruments,
    limits,
    many,
    match,
    matching,
    midi,
    midi_sources,
    page,
    pitch,
    recording_sources,
    render,
    runtime,
    scores,
    soundfont,
    spectrograms,
    stores,
    tables,
    terminal,
    timbre,
    train,
    webpage,
    widgets,
)
from helpers.audio import Audio
from helpers.evaluation import (
    agreement,
    classifier,
    describing,
    embedding,
    evaluating,
    features,
    listening_result,
    listening_test,
    metrics,
    results,
    results_page,
    selfcheck,
)
from helpers.export import __main__ as export_main
from helpers.export import sampling, tuning
from helpers.export import writing as export_writing
from helpers.gansynth import checkpoint, hub, inversion, levenberg
from helpers.gansynth.config import NUM_PITCHES, Config
from helpers.instruments import Instrument, Timeline
from helpers.midi import Note
from helpers.render import controllers, mixing, original, planning, report, shaping
from helpers.timbre import atlases, descriptors, families, reaching, roles, steering, wording
from helpers.training import loop, plots
from helpers.training import trainer as training
from helpers.widgets import base, notes, player, recorder, timeline, tune

MELODY, TINY = DATA / "midi" / "melody14.mid", DATA / "checkpoints" / "tiny_stage12"
SMALL = Config.from_dict(
    {
        "audio_length": 100,
        "num_resolutions": 2,
        "fmap_base": 16,
        "fmap_max": 4,
        "latent_vector_size": 8,
        "batch_size_schedule": [4],
        "stable_stage_num_images": 24,
        "transition_stage_num_images": 16,
        "total_num_images": 80,
    }
)

# Called through others here.
INNER = {
    "addresses": "called by midi_sources.download, which needs the network",
    "jsonfile": "called by everything that reads JSON",
    "gansynth.bundle": "called by gansynth.load and Trainer",
    "midi.reading": "called by midi.load",
    "midi.smf": "called by midi.load",
    "midi.charsets": "called by midi.load",
    "midi.modes": "called by midi.load",
    "gansynth.accelerated": "the layers that GANSynth.generate runs",
    "gansynth.backend": "imports TensorFlow, before anything here; and called by Trainer",
    "gansynth.cache": "called by GANSynth.generate, here with a cache",
    "gansynth.checkpoint": "called by gansynth.load and Trainer",
    "gansynth.config": "numbers, and arithmetic with them",
    "training.dataset": "called by train.main",
    "training.hosts": "in tests/test_hosts.py, with workers",
    "training.losses": "called by Trainer",
    "gansynth.networks": "the layers that GANSynth and Trainer run",
    "gansynth.spectral": "called by GANSynth and train",
}
# Not called.
ELSEWHERE = {
    "gansynth.hub.download": "needs the network",
    "downloads.fetch": "needs the network",
    "downloads.discard": "called by gansynth.hub.download",
    "downloads.from_drive": "needs the network",
    "gansynth.hub.is_here": "called by render.reproduce",
    "gansynth.hub.locate": "called by gansynth.load",
    "gansynth.hub.verify": "called by gansynth.load",
    "export.web_page.web": "needs the network",
    "export.web_page.fetched": "needs the network",
    "export.onnx_graph.facts": "called by export.onnx",
    "export.onnx_graph.has_short_weights": "called by export.web",
    "export.__main__.run": "called by export.__main__.main",
    "match.run": "called by match.main",
    "dataset.run": "called by dataset.main",
    "dataset.Job": "made by dataset.main",
    "dataset.PartRecord": "made by dataset.main",
    "dataset.DatasetSettings": "made by dataset.main",
    "dataset.begin": "called by dataset.main",
    "dataset.cost": "called by dataset.main",
    "dataset.finish": "called by dataset.main",
    "dataset.jobs_of": "called by dataset.main",
    "dataset.kept": "called by dataset.main",
    "dataset.key_of": "called by dataset.main",
    "dataset.make": "called by dataset.main",
    "dataset.make_all": "called by dataset.main",
    "dataset.make_with_workers": "in tests/test_dataset_main.py, with workers",
    "dataset.numbers_of": "called by dataset.main",
    "export.bitwig.multisample": "called by export.sampler",
    "export.decentsampler.dspreset": "called by export.sampler",
    "export.decentsampler.library": "called by export.sampler",
    "export.playing.described": "called by export.page",
    "export.playing.flac": "called by export.page",
    "export.contents.archive": "called by export.sampler",
    "export.contents.check_ours": "called by export.sampler",
    "export.contents.file_stems": "called by export.sampler",
    "export.contents.sample_names": "called by export.sampler",
    "export.contents.write_archive": "called by export.sampler",
    "export.contents.write_beside": "called by export.sampler",
    "export.naming.pitch_text": "called by export.sampler",
    "export.naming.stem": "called by export.sampler",
    "export.naming.text": "called by export.sampler",
    "export.naming.unique": "called by export.sampler",
    "export.cover.cover": "called by export.sampler",
    "export.readme.readme": "called by export.sampler",
    "export.sf2.sf2": "called by export.sampler",
    "export.sfz.check_morph": "called by export.sampler",
    "export.sfz.sfz": "called by export.sampler",
    "export.sfz.wheel_places": "called by export.sampler",
    "export.wav.chunk": "called by export.sampler",
    "export.wav.pcm": "called by export.sampler",
    "export.wav.wav": "called by export.sampler",
    "instruments.choose": "called by generate.main",
    "instruments.is_file": "called by generate.main",
    "demo.main": "renders for a minute; it is made of calls that are here",
    "generate.run": "called by generate.main",
    "classroom.main": "in tests/test_classroom.py; it serves until it is ended",
    "classroom_server.Places": "made by Voilà, in tests/browser/test_class_app.py",
    "classroom_server.serve": "in tests/browser/test_class_app.py",
    "cluster.Order": "made by cluster.render_many",
    "cluster.Gone": "an exception",
    "cluster.Loaded": "made by cluster.render_many",
    "cluster.loaded_as": "called by cluster.render_many",
    "cluster.check_workers": "called by cluster.workers",
    "cluster.each": "called by cluster.render_many",
    "cluster.result_of": "called by cluster.render_many",
    "cluster.play": "called by cluster.render_many",
    "cluster.render_many": "in tests/test_cluster.py, with workers",
    "cluster.scheduler": "in tests/test_cluster.py, with workers",
    "cluster.workers": "in tests/test_cluster.py, with workers",
    "gansynth.graph.model_of": "called by export.onnx",
    "gansynth.graph.window_model": 'called by gansynth.load, with backend="onnx"',
    "gansynth.onnx_player.OnnxPlayer": 'made by gansynth.load, with backend="onnx"',
    "widgets.background.wait_for": "called by the controls that work in a thread, in tests/test_widget_background.py",
    "gansynth.windows.block_rows": "arithmetic",
    "gansynth.windows.rows_needed": "arithmetic",
    "gansynth.windows.widened": "arithmetic",
    "gansynth.processor.best_precision": "reads what the processor can do",
    "gansynth.processor.flags": "reads what the processor can do",
    "gansynth.threads.chosen_threads": "called by gansynth.backend",
    "gansynth.threads.cores": "called by generate.run_many",
    "gansynth.threads.threads": "called by many.sharing",
    "gansynth.threads.use_threads": "sets what holds for the whole process, as it says",
    "many.Bar": "made by many.render_many",
    "many.earlier": "called by generate.run_many",
    "many.pays": "called by generate.run_many",
    "many.sharing": "called by generate.run_many",
    "many.failed": "called by many.render_many",
    "many.kept": "called by many.render_many",
    "many.key_of": "called by many.render_many",
    "many.make": "called by many.render_many",
    "many.save_manifest": "called by generate.run_many",
    "many.seed_of": "called by many.render_many",
    "many.versions": "called by generate.run_many",
    "files.is_full": "called by many.render_many",
    "scores.content": "called by many.render_many",
    "stores.RemoteStore": "made by stores.open_store",
    "stores.is_address": "called by generate.run_many",
    "evaluate.run": "called by evaluate.main",
    "evaluation.describing.described": "called by evaluation.evaluate",
    "timbre.steering.Curved": "called by timbre.steering.directions",
    "timbre.steering.Linear": "called by timbre.steering.Directions",
    "evaluation.evaluating.evaluate": "listens for a minute; it is made of calls that are here",
    "evaluation.selfcheck.self_check": "listens for twenty seconds; it is made of calls that are here",
    "evaluation.results.check_alike": "called by evaluation.compare",
    "files.as_path": lambda g: files.as_path("~"),
    "midi.note_sequences.from_note_sequence": "takes what only an extra makes",
    "midi.note_sequences.to_note_sequence": "needs an extra",
    "midi.writing.bend_position": "called by midi.write",
    "midi.writing.bend_range": "called by midi.write",
    "midi.writing.bend_range_settings": "called by midi.write",
    "midi.writing.control_value": "called by midi.write",
    "render.rendering.fill": "called by render.render",
    "render.rendering.mixer_of": "called by render.render",
    "render.rendering.model_of": "called by render.reproduce",
    "render.rendering.plan_of": "called by render.render",
    "files.check_no_others": "called by export.sampler",
    "export.contents.sample_name": "called by export.sampler",
    "export.sampling.check_loaded": "called by export.sampled",
    "export.sampling.checked_instruments": "called by export.sampled",
    "export.writing.check_folders": "called by the command",
    "terminal.is_command": "called when the package is imported",
    "terminal.stop_quietly": "called when the package is imported by a command",
    "files.check_writable": "called by export.page",
    "files.claimed": "called by files.replacing",
    "files.filling": "called by export.stems",
    "files.in_turn": "called by Bank.keep",
    "files.locked": "called by files.in_turn",
    "midi.loading.parse": "called by midi.load",
    "files.naming": "called by files.replacing",
    "files.partial_file": "called by files.replacing",
    "files.partial_folder": "called by Trainer.save",
    "files.remove_abandoned": "called by files.replacing",
    "files.settle": "called by midi_sources.keep",
    "midi_sources.download": "needs the network",
    "recording_sources.download": "needs the network",
    "downloads.small_file": "needs the network",
    "render.mixing.Mixer": "called by render.render",
    "render.shaping.trend": "called by render.render",
    "render.mixing.is_stereo": "called by render.render",
    "render.mixing.with_drums": "called by render.render",
    "render.original.levelled": "called by render.render",
    "render.original.plan": "called by render.render",
    "train.run": "called by train.main",
    "training.loop.alone": "called by train.main",
    "training.loop.train": "called by train.main",
    "training.loop.follow": "in tests/test_hosts.py, with workers",
    "training.trainer.seed_of": "called by Trainer.restore",
    "training.trainer.check_shares": "called by Trainer",
    "training.trainer.Trainer.assign": "called by Trainer.restore",
    "training.trainer.Trainer.read": "called by Trainer.restore",
    "training.trainer.Trainer.rows": "called by Trainer.step",
    "training.loop.Ahead": "called by train.main",
    "training.loop.Curves": "called by train.main",
    "training.loop.Curves.add": "called by train.main",
    "training.loop.Signals": "called by train.main",
    "training.loop.Stopped": "an exception",
    "widgets.base.Control": "what the other controls are made of",
    "widgets.base.Control.changed": "called by every control",
    "widgets.base.Control.code": "abstract",
    "widgets.base.Control.complain": "called by every control",
    "widgets.base.Control.say": "called by every control",
    "widgets.models.Models": "loads nothing by itself; what it calls is here",
    "widgets.tune.Tune.fetch": "needs the network",
}
SHOW = ("plot", "cqt", "rainbowgram", "mel", "waveform", "compare", "difference", "network_view", "draw", "plot_losses")


def sine(hertz=440.0, seconds=0.3):
    return Audio(0.4 * np.sin(2 * np.pi * hertz * np.arange(round(16000 * seconds)) / 16000).astype(np.float32), 16000)


class Model(Stub):
    """One latent may play all the pitches, as with a real model."""

    def generate(self, z, pitches, *args, **how):
        return super().generate(np.broadcast_to(z, (len(pitches), np.shape(z)[-1])), pitches, *args, **how)


NOISE, PITCHES = np.random.RandomState(0).normal(size=(8, 16000)).astype(np.float32), np.arange(60, 68) // 2
EVALUATION = results.Evaluation(
    "a",
    "f",
    "r",
    9,
    dict.fromkeys(results.ROWS, 9),
    0,
    {row: {"in_tune": results.Estimate(1.0)} for row in results.ROWS},
    {},
)


class Given:
    """Small inputs, the same for every call, and a folder of its own."""

    def __init__(self, folder, tiny):
        self.folder, self.tiny, self.model = folder, tiny, Model()
        self.cello, self.flute = (Instrument(name, np.full(4, z)) for name, z in (("Cello", 1.0), ("Flute", 2.0)))
        self.bank = {"Cello": self.cello, "Flute": self.flute}
        self.song = song_of(Note(60, 90, 0.0, 0.2), Note(64, 70, 0.1, 0.3))
        self.clip, self.clips = sine(), {"日本 $a$": sine(), "b": sine(660.0)}
        self.timeline = Timeline([self.cello, self.flute], at=[0, 1])
        self.rendering = render.render(self.model, self.song, self.cello, progress=False)
        self.recipe = self.rendering.report.save(folder / "recipe.json")
        self.note = harmonic_wave(60, 1)
        self.file = audio.write(self.clip, folder / "clip.wav")
        self.bank_file = instruments.save([self.cello], folder / "bank.json")
        self.path = folder / "instruments.json"

    def tune(self):
        return widgets.Tune(self.bank, MELODY)

    def q(self):
        return spectrograms.constant_q(self.clip)

    def curves(self):
        return controllers.curves(self.song, self.rendering.report.recipe.parts, render.Settings())

    def trainer(self):
        return training.Trainer(SMALL, np.ones(NUM_PITCHES, int), seed=1)

    def browser(self):
        return widgets.Browser(self.model, self.bank, path=self.path)

    def shelf(self):
        return instruments.bank(self.model, path=self.path)

    def editor(self):
        return widgets.TimelineEditor(self.bank, self.song)

    def rendered(self):
        button = widgets.Generate(self.model, self.song, self.cello)
        button.run()
        return button

    def sampled(self):
        return export.sampled(self.model, [self.cello, self.flute], [60], progress=False)

    def compared(self):
        """A listening test with one answer."""
        page = listening_test({"a": [self.clip], "b": [self.clip]}, self.folder / "test.html")
        key = page.with_suffix(".key.json")
        answers = self.folder / "answers.csv"
        test = json.loads(key.read_text("utf-8"))["test"]
        answers.write_text(f"test,session,listener,question,answer\n{test},1,Ada,1,2\n")
        return listening_result(answers, key=key)

    def step(self, trainer=None):
        trainer = trainer or self.trainer()
        drawn = np.zeros((4, SMALL.frames, SMALL.bins, 2), np.float32), np.arange(4, dtype=np.int32)
        trainer.step(*drawn)
        return trainer


def used(context):
    with context as inside:
        return inside


@functools.cache
def tiny():
    """A model with a network, which the one of `given` lacks."""
    return helpers.gansynth.GANSynth(checkpoint.read(DATA / "checkpoints" / "tiny_stage12"))


WAVE = harmonic_wave(60, 0)
PARTIALS = descriptors.partials_of(WAVE, 262.0, 16000)
LEVEL = descriptors.envelope(WAVE, 262.0, 16000)
DESCRIBED = np.ones((2, 3, len(descriptors.NAMES) + descriptors.CEPSTRA))
TIMBRE = dict.fromkeys(descriptors.NAMES, 0.0)

CALLS = {
    "export.pads.nsynth_super": lambda g: export.nsynth_super(
        g.model, [g.cello, g.flute] * 2, g.folder / "pads", pitches=[60], resolution=2
    ),
    "export.instrument_page.page": lambda g: export.page(
        g.model, g.cello, g.folder / "cello.html", pitches=[60], progress=False
    ),
    "export.onnx_graph.onnx": lambda g: export.onnx(tiny(), g.folder / "tiny.onnx"),
    "export.songs.midi": lambda g: export.midi(g.rendering, g.folder / "played.mid"),
    "export.songs.project": lambda g: export.project(g.rendering, g.folder / "project", g.model, progress=False),
    "export.songs.stems": lambda g: export.stems(g.rendering, g.folder / "stems", g.model, progress=False),
    "midi.writing.write": lambda g: midi.write(g.song, g.folder / "song.mid"),
    "render.apart.played": lambda g: render.played(g.rendering),
    "render.apart.recipe_of": lambda g: render.recipe_of(g.rendering),
    "render.apart.stems": lambda g: list(render.stems(g.rendering, g.model, progress=False)),
    "evaluation.agreement.draw": lambda g: agreement.draw(g.clip, g.song),
    "evaluation.agreement.measure": lambda g: agreement.measure(g.clip, g.song),
    "evaluate.main": lambda g: evaluate.main([f"--compare={results.write(EVALUATION, g.folder / 'a.json')}"]),
    "evaluate.parser": lambda g: evaluate.parser(),
    "evaluation.classifier.trained": lambda g: classifier.trained(NOISE, NOISE, PITCHES, PITCHES, 0),
    "evaluation.describing.describe": lambda g: describing.describe(NOISE, PITCHES, 16000),
    "evaluation.embedding.musicnn": lambda g: embedding.musicnn(NOISE, 16000),
    "evaluation.evaluating.check_size": lambda g: evaluating.check_size(100, 48, "notes"),
    "evaluation.evaluating.round_trip": lambda g: evaluating.round_trip(NOISE[0, :4096], Config.from_dict(train.TINY)),
    "evaluation.metrics.bootstrap": lambda g: metrics.bootstrap(np.mean, np.arange(20), 0),
    "evaluation.metrics.cells": lambda g: metrics.cells(NOISE, 2)(NOISE),
    "evaluation.metrics.diversity": lambda g: metrics.diversity(NOISE, PITCHES, np.arange(len(NOISE))),
    "evaluation.metrics.entropy": lambda g: metrics.entropy(np.eye(3)),
    "evaluation.metrics.frechet": lambda g: metrics.frechet(NOISE[:, :3], NOISE[:, 3:6]),
    "evaluation.metrics.frechet_from": lambda g: metrics.frechet_from(NOISE[:, :3]),
    "evaluation.metrics.inception_score": lambda g: metrics.inception_score(np.eye(3)),
    "evaluation.metrics.kid": lambda g: metrics.kid(NOISE[:, :3], NOISE[:, 3:6]),
    "evaluation.metrics.kid_from": lambda g: metrics.kid_from(NOISE[:, :3]),
    "evaluation.metrics.ndb": lambda g: metrics.ndb([0, 1], [1, 1], 2),
    "evaluation.metrics.share_interval": lambda g: metrics.share_interval(np.ones(9, bool), np.arange(9), 0),
    "evaluation.features.log_mel": lambda g: features.log_mel(NOISE, 16000),
    "evaluation.features.semitones": lambda g: features.semitones(NOISE, 16000),
    "pitch.heard": lambda g: pitch.heard(16000, 16000),
    "pitch.pyin": lambda g: pitch.pyin(NOISE[0], 60, 16000),
    "pitch.swift_f0_curve": lambda g: pitch.swift_f0_curve(NOISE[0], 16000),
    "pitch.swift_f0_track": lambda g: pitch.swift_f0_track(NOISE[0], 16000),
    "pitch.tracks": lambda g: pitch.tracks(NOISE[0], 16000),
    "matching.recordings.read": lambda g: matching.read(g.file),
    "matching.recordings.recording": lambda g: matching.recording(WAVE, 16000),
    "matching.recordings.find_notes": lambda g: matching.find_notes(matching.recording(WAVE, 16000), end=0.5),
    "matching.recordings.measured_cents": lambda g: matching.recordings.measured_cents(WAVE, 60, 16000),
    "matching.fitting.match": lambda g: matching.match(
        g.tiny,
        matching.recording(WAVE, 16000, "a"),
        [matching.RecordedNote(0.0, 0.5, 0.5, 60, 0.0, {})],
        progress=False,
        stop=lambda: True,
    ),
    "classroom.parser": lambda g: classroom.parser(),
    "classroom.places": lambda g: classroom.places(1, 10**10),
    "classroom.room": lambda g: classroom.room(10**10),
    "classroom_server.sentence": lambda g: classroom_server.sentence(2),
    "match.parser": lambda g: match.parser(),
    "dataset.main": lambda g: dataset.main(
        ["--checkpoint", str(TINY), "--output_dir", str(g.folder / "set"), "--random", "3", "--pitches", "60"]
    ),
    "dataset.parser": lambda g: dataset.parser(),
    "match.main": lambda g: match.main(["--recording", "absent.wav", "--checkpoint", str(TINY), "--output", "a.json"]),
    "gansynth.inversion.invert": lambda g: inversion.invert(
        g.tiny, [WAVE[:4000]], [60], g.tiny.sample_z(1, 1), ["bands"], steps=1
    ),
    "gansynth.inversion.Target": lambda g: inversion.Target(WAVE[:1600], 60, g.tiny.config),
    "gansynth.inversion.checked_starts": lambda g: inversion.checked_starts(
        g.tiny, [WAVE], [60], g.tiny.sample_z(1, seed=1)
    ),
    "gansynth.inversion.sizes": lambda g: inversion.sizes(16000),
    "gansynth.inversion.levels": lambda g: inversion.levels(g.tiny.config),
    "gansynth.levenberg.steps_of": lambda g: levenberg.steps_of(3),
    "gansynth.levenberg.solve": lambda g: levenberg.solve(
        g.tiny, [WAVE[:1600]], [60], g.tiny.sample_z(1, seed=1), np.eye(256)[:2], steps=1
    ),
    "gansynth.inversion.distances": lambda g: inversion.distances(NOISE, NOISE[0], 16000),
    "gansynth.inversion.log_mel": lambda g: inversion.log_mel(NOISE, 16000),
    "gansynth.inversion.round_trip": lambda g: inversion.round_trip(WAVE, g.tiny.config),
    "gansynth.model.GANSynth.checked_notes": lambda g: g.tiny.checked_notes(g.tiny.sample_z(1, 1), [60]),
    "instruments.alongside": lambda g: instruments.alongside(instruments.sample(g.tiny, 2, 0)),
    "pitch.swift_f0": lambda g: pitch.swift_f0(NOISE[0], 60, 16000),
    "evaluation.results.Table": lambda g: str(results.Table({"a": EVALUATION})),
    "evaluation.results.compare": lambda g: results.compare({"a": EVALUATION}),
    "evaluation.results.plot": lambda g: results.plot({"a": EVALUATION}),
    "evaluation.results.read": lambda g: results.read(results.write(EVALUATION, g.folder / "b.json")),
    "evaluation.results_page.write": lambda g: results_page.write({"a": EVALUATION}, g.folder / "results.html"),
    "evaluation.results.columns": lambda g: results.columns({"a": EVALUATION}),
    "evaluation.results.left_out": lambda g: results.left_out({"a": EVALUATION}),
    "evaluation.results.measured": lambda g: results.measured({"a": EVALUATION}),
    "evaluation.results.write": lambda g: results.write(EVALUATION, g.folder / "c.json"),
    "evaluation.selfcheck.harmonicity": lambda g: selfcheck.harmonicity(NOISE[0], 60, 16000),
    "evaluation.selfcheck.steepest": lambda g: selfcheck.steepest(NOISE),
    "evaluation.listening.listening_result": lambda g: g.compared(),
    "evaluation.listening.listening_test": lambda g: listening_test(
        {"a": [g.clip], "b": [g.clip]}, g.folder / "test.html"
    ),
    "limits.check_length": lambda g: limits.check_length(g.song),
    "audio.file_kind": lambda g: audio.file_kind("a.mp3"),
    "audio.k_weighted": lambda g: audio.k_weighted(g.note, 16000),
    "audio.loudness": lambda g: audio.loudness(g.clip),
    "audio.loudness_factor": lambda g: audio.loudness_factor(g.clip),
    "audio.play": lambda g: audio.play(g.clip),
    "audio.read": lambda g: audio.read(g.file),
    "soundfont.reference": lambda g: soundfont.reference(g.song),
    "audio.resample": lambda g: audio.resample(g.clip, 44100),
    "audio.to_loudness": lambda g: audio.to_loudness(g.clip),
    "audio.write": lambda g: audio.write(g.clip, g.folder / "a.flac"),
    "casting.cast": lambda g: casting.cast({1: 40}, [casting.Profile("Violin", 40, "string")]),
    "casting.program_name": lambda g: casting.program_name(40),
    "folders.data": lambda g: folders.data(),
    "downloads.sha256_of": lambda g: downloads.sha256_of(g.file),
    "downloads.drive_id": lambda g: downloads.drive_id("https://drive.google.com/file/d/" + "a" * 33),
    "downloads.is_drive_link": lambda g: downloads.is_drive_link("https://drive.google.com/file/d/" + "a" * 33),
    "gansynth.hub.listing": lambda g: hub.listing(),
    "gansynth.hub.names": lambda g: hub.names(),
    "drawing.literal": lambda g: drawing.literal(matplotlib.text.Text(text="日本 $a$")),
    "drawing.plain": lambda g: used(drawing.plain()),
    "drawing.png": lambda g: drawing.png(matplotlib.figure.Figure()),
    "export.sampling.sampled": lambda g: g.sampled(),
    "export.sampling.Sampled.evenness": lambda g: g.sampled().evenness(),
    "export.sampling.key_ranges": lambda g: sampling.key_ranges([60, 63]),
    "export.sampling.is_sustained": lambda g: sampling.is_sustained(WAVE[None, :48000], 16000),
    "export.sampling.playable": lambda g: sampling.playable(WAVE[:48000], 60, 16000, 16000, True),
    "export.tuning.measured_cents": lambda g: export.measured_cents(WAVE, 60, 16000),
    "export.tuning.retuned": lambda g: tuning.retuned(WAVE, 1.0, 16000, 16000),
    "export.writing.check_target": lambda g: export_writing.check_target(g.folder / "a.sfz", 2),
    "export.writing.folder_of": lambda g: export_writing.folder_of(g.folder / "a.sfz"),
    "export.writing.sampler": lambda g: export.sampler(g.sampled(), g.folder / "all.zip"),
    "export.__main__.main": lambda g: export_main.main(
        ["--checkpoint", str(TINY), "--instruments", str(g.bank_file), "--output", str(g.folder / "a.sfz")]
    ),
    "export.__main__.parser": lambda g: export_main.parser(),
    "errors.number": lambda g: errors.number("n", "1.5"),
    "errors.one_line": lambda g: errors.one_line("a\nb"),
    "errors.in_one_line": lambda g: errors.in_one_line(len)("a"),
    "files.is_partial": lambda g: files.is_partial(".partial-a"),
    "files.numbered": lambda g: next(iter(files.numbered(g.file))),
    "files.keep": lambda g: files.keep(b"a", g.folder / "a.txt"),
    "files.listing": lambda g: files.listing(g.folder, (".mid",)),
    "files.plain_name": lambda g: files.plain_name("a/b", "c"),
    "files.in_turn": lambda g: used(files.in_turn(g.folder)),
    "files.replacing": lambda g: used(files.replacing(g.folder / "new")),
    "gansynth.model.GANSynth": lambda g: gansynth.load(TINY),
    "gansynth.model.GANSynth.cached": lambda g: g.tiny.cached(g.tiny.sample_z(1, 1), [60], 1.0),
    "gansynth.model.GANSynth.generate": lambda g: g.tiny.generate(g.tiny.sample_z(1, 1), [60]),
    "gansynth.model.GANSynth.generate_data": lambda g: g.tiny.generate_data(g.tiny.sample_z(1, 1), [60]),
    "gansynth.model.GANSynth.sample_z": lambda g: g.tiny.sample_z(1, 1),
    "gansynth.model.load": lambda g: gansynth.load(TINY, cache=gansynth.NoteCache(g.folder / "cache")),
    "training.trainer.Shuffled": lambda g: training.Shuffled([0, 1, 2], 1),
    "training.trainer.Trainer": lambda g: g.trainer(),
    "training.trainer.Trainer.advance": lambda g: g.trainer().advance(),
    "training.trainer.Trainer.arrays": lambda g: g.trainer().arrays(),
    "training.trainer.Trainer.average": lambda g: g.trainer().average(),
    "training.trainer.Trainer.experiment": lambda g: g.trainer().experiment(),
    "training.trainer.Trainer.restore": lambda g: training.Trainer.restore(
        g.trainer().save(g.folder / "restored").parents[1], np.ones(NUM_PITCHES, int)
    ),
    "training.trainer.Trainer.save": lambda g: g.trainer().save(g.folder / "saved"),
    "training.trainer.Trainer.step": lambda g: g.step(),
    "training.trainer.architecture": lambda g: training.architecture(g.trainer().generator),
    "training.trainer.batch_size": lambda g: training.batch_size(SMALL, training.TrainingSettings.of(SMALL), 0),
    "training.trainer.describe": lambda g: training.describe(g.trainer().generator),
    "training.trainer.draw": lambda g: training.draw(1, 1, 2, 8, np.ones(NUM_PITCHES, int)),
    "training.trainer.last_stage": lambda g: training.last_stage(SMALL),
    "training.trainer.stage_end": lambda g: training.stage_end(SMALL, 0),
    "generate.main": lambda g: generate.main(
        [f"--midi_file={MELODY}", f"--ckpt_dir={TINY}", f"--output_dir={g.folder}", "--seed=1"]
    ),
    "generate.parser": lambda g: generate.parser(),
    "generate.run_many": lambda g: generate.main(
        [str(MELODY), f"--ckpt_dir={TINY}", f"--output_dir={g.folder / 'many'}", "--seed=1"]
    ),
    "many.Summary": lambda g: many.Summary(g.folder).finish(),
    "many.players": lambda g: many.players(g.model, g.song, 1),
    "many.render_many": lambda g: list(
        many.render_many(g.model, scores.find([MELODY]), g.folder / "many", many.Run(), progress=False)
    ),
    "stores.Store": lambda g: used(stores.Store(g.folder).writing("clip.wav")),
    "stores.open_store": lambda g: stores.open_store(g.folder),
    "gansynth.shared.SharedNotes": lambda g: gansynth.SharedNotes(
        g.tiny, g.tiny.sample_z(1, 1), gansynth.NoteCache(g.folder / "shared")
    ).generate(g.tiny.sample_z(1, 1), [60], [0.5]),
    "scores.find": lambda g: scores.find([MELODY.parent]),
    "generate.random_notes": lambda g: generate.random_notes(g.model, 1, 1, g.folder),
    "instruments.Bank": lambda g: g.shelf().keep(g.cello),
    "instruments.assign": lambda g: instruments.assign(g.model, g.song, 1),
    "instruments.Timeline": lambda g: Timeline([g.cello], at=[0]),
    "instruments.bank": lambda g: g.shelf(),
    "instruments.blend": lambda g: instruments.blend(g.cello, g.flute, 0.5),
    "instruments.blend_square": lambda g: instruments.blend_square([g.cello, g.flute] * 2, 0.5, 0.5),
    "instruments.load": lambda g: instruments.load(g.bank_file, g.model),
    "instruments.named": lambda g: instruments.named(g.model),
    "instruments.sample": lambda g: instruments.sample(g.model, 2, 1),
    "instruments.save": lambda g: instruments.save([g.cello], g.folder / "saved.json"),
    "instruments.slerp": lambda g: instruments.slerp(g.cello.z, g.flute.z, 0.5),
    "instruments.Timeline.original": lambda g: Timeline.original(g.model, 5.0, 1, 2.0),
    "instruments.Timeline.random": lambda g: Timeline.random(g.model, 3.0, 1, 2.0),
    "midi.song.bars": lambda g: midi.bars(g.song),
    "midi.song.excerpt": lambda g: midi.excerpt(g.song, 0.0, 0.1),
    "midi.loading.load": lambda g: midi.load(MELODY),
    "midi.song.note_name": lambda g: midi.note_name(60),
    "midi.song.pedalled": lambda g: midi.pedalled(g.song.tracks[0]),
    "midi.song.plot": lambda g: midi.plot(g.song),
    "audio.encode": lambda g: audio.encode(g.clip, "mp3"),
    "page.student_report": lambda g: page.student_report(["demo"]),
    "page.write": lambda g: page.write({"a": g.rendering, **g.clips}, g.folder / "page.html"),
    "runtime.download": lambda g: runtime.download(g.file),
    "runtime.gpus": lambda g: runtime.gpus(),
    "runtime.here": lambda g: runtime.here(),
    "runtime.kind": lambda g: runtime.kind(),
    "runtime.link": lambda g: runtime.link(g.file),
    "runtime.missing": lambda g: runtime.missing(),
    "runtime.outputs": lambda g: runtime.outputs(),
    "render.controllers.curves": lambda g: g.curves(),
    "render.planning.fold": lambda g: planning.fold(100, 24, 84),
    "render.types.is_heard": lambda g: render.types.is_heard([render.Part()]),
    "render.original.notes": lambda g: original.notes(g.song),
    "render.planning.plan": lambda g: planning.plan(g.song, g.rendering.report.recipe.parts),
    "render.planning.resolve": lambda g: planning.resolve(g.model, g.song),
    "render.planning.transposition": lambda g: planning.transposition([100], 24, 84),
    "render.batches.generate_notes": lambda g: list(
        render.generate_notes(g.model, planning.plan(g.song, g.rendering.report.recipe.parts), progress=False)
    ),
    "render.mixing.is_still": lambda g: mixing.is_still(g.curves()[0], 0.0, 1.0),
    "render.mixing.in_words": lambda g: mixing.in_words(g.timeline),
    "render.original.plan": lambda g: original.plan(g.song, g.rendering.report.recipe.parts),
    "render.single.note": lambda g: render.note(g.model, g.cello, 60),
    "render.types.changed_settings": lambda g: render.types.changed_settings(render.Settings(), {"release": 0.5}),
    "instruments.check_model": lambda g: instruments.check_model(g.cello, g.model),
    "render.mixing.levels": lambda g: mixing.levels(
        g.curves()[0],
        1.0,
        np.arange(2.0),
        1,
    ),
    "render.rendering.render": lambda g: render.render(g.model, g.song, g.timeline),
    "render.rendering.reproduce": lambda g: render.reproduce(g.recipe, g.model),
    "render.mixing.loudness_of": lambda g: mixing.loudness_of(g.note, 16000),
    "render.mixing.shape_note": lambda g: render.shape_note(g.note, 0.2, 90),
    "render.report.read_recipe": lambda g: report.read_recipe(g.recipe),
    "render.report.RenderReport.save": lambda g: g.rendering.report.save(g.folder / "report.json"),
    "midi_sources.folder": lambda g: midi_sources.folder(),
    "midi_sources.keep": lambda g: midi_sources.keep(MELODY.read_bytes(), "melody.mid"),
    "recording_sources.folder": lambda g: recording_sources.folder(),
    "recording_sources.keep": lambda g: recording_sources.keep(
        (recording_sources.BUNDLED / "blown.flac").read_bytes(), "blown.flac"
    ),
    "recording_sources.keep_samples": lambda g: recording_sources.keep_samples(g.clip.mono, g.clip.sample_rate),
    "recording_sources.listing": lambda g: recording_sources.listing(recording_sources.BUNDLED),
    "midi_sources.listing": lambda g: midi_sources.listing(g.folder),
    "render.shaping.Curve": lambda g: shaping.Curve([(0.0, 1.0)], 0.0),
    "render.shaping.bend": lambda g: shaping.bend(g.note, np.ones(len(g.note))),
    "render.shaping.envelope": lambda g: shaping.envelope(0.2),
    "render.shaping.extend": lambda g: shaping.extend(g.note, shaping.find_loop(g.note), 80000),
    "render.shaping.find_loop": lambda g: shaping.find_loop(g.note),
    "render.shaping.loudest": lambda g: shaping.loudest(g.note, 16000),
    "audio.momentary_loudness": lambda g: audio.momentary_loudness(g.clip),
    "audio.mix": lambda g: audio.mix(np.zeros(70000, np.float32), g.note, 0),
    "render.original.envelope": lambda g: original.envelope(0.2),
    "render.original.shape_note": lambda g: original.shape_note(g.note, 0.2, 90),
    "audio.to_peak": lambda g: audio.to_peak(g.note, 0.5),
    "render.shaping.interpolated": lambda g: shaping.interpolated(g.note[None, :100], 16),
    "soundfont.check": lambda g: soundfont.check(g.song.tracks, g.song.name),
    "soundfont.pieces": lambda g: soundfont.pieces(g.song.tracks[0]),
    "soundfont.play_all": lambda g: list(soundfont.play_all(g.song.tracks, 16000)),
    "soundfont.work": lambda g: soundfont.work(g.song.tracks[0]),
    "soundfont.play": lambda g: list(soundfont.play(g.song.tracks[0], 16000)),
    "soundfont.play_apart": lambda g: soundfont.play_apart(soundfont._soundfont(), MELODY.read_bytes()),
    "soundfont.play_with": lambda g: soundfont.play_with(soundfont._soundfont(), MELODY.read_bytes()),
    "soundfont.player": lambda g: soundfont.player(),
    "tables.counted": lambda g: tables.counted(2, "note"),
    "tables.table": lambda g: tables.table([[1, "a"]], ["n", "name"]),
    "spectrograms.compare": lambda g: spectrograms.compare(g.clips, "rainbowgram"),
    "spectrograms.constant_q": lambda g: spectrograms.constant_q(g.clip),
    "spectrograms.cqt": lambda g: spectrograms.cqt(g.clip),
    "spectrograms.difference": lambda g: spectrograms.difference(*g.clips.values()),
    "spectrograms.mel": lambda g: spectrograms.mel(g.clip),
    "spectrograms.network_view": lambda g: spectrograms.network_view(formula_data(1)[0], Config()),
    "spectrograms.rainbowgram": lambda g: spectrograms.rainbowgram(g.clip, mode="detune"),
    "spectrograms.waveform": lambda g: spectrograms.waveform(g.clip),
    "terminal.ended": lambda g: terminal.ended(lambda: 0),
    "terminal.is_control": lambda g: terminal.is_control("\x1b"),
    "terminal.program": lambda g: terminal.program("helpers.train"),
    "terminal.say": lambda g: terminal.say("a word"),
    "midi.song.note_hertz": lambda g: midi.note_hertz(60),
    "timbre.atlases.Atlas": lambda g: atlas_of(g.model).find("bright"),
    "timbre.atlases.atlas": lambda g: timbre.atlas(g.model, 2, folder=g.folder, progress=False),
    "timbre.atlases.describe": lambda g: atlases.describe(g.model, [g.flute], progress=False),
    "timbre.descriptors.attack_seconds": lambda g: descriptors.attack_seconds(LEVEL),
    "timbre.descriptors.brightness": lambda g: descriptors.brightness(PARTIALS),
    "timbre.descriptors.cepstra": lambda g: descriptors.cepstra(WAVE, 16000),
    "timbre.descriptors.decay_seconds": lambda g: descriptors.decay_seconds(LEVEL),
    "timbre.descriptors.describe_note": lambda g: timbre.describe_note(WAVE, 60, 16000),
    "timbre.descriptors.envelope": lambda g: descriptors.envelope(WAVE, 262.0, 16000),
    "timbre.descriptors.inharmonicity": lambda g: descriptors.inharmonicity(PARTIALS),
    "timbre.descriptors.noisiness": lambda g: descriptors.noisiness(PARTIALS),
    "timbre.descriptors.odd_even": lambda g: descriptors.odd_even(PARTIALS),
    "timbre.descriptors.partials_of": lambda g: descriptors.partials_of(WAVE, 262.0, 16000),
    "timbre.descriptors.sustain": lambda g: descriptors.sustain(LEVEL),
    "timbre.descriptors.tremolo": lambda g: descriptors.tremolo(LEVEL),
    "timbre.descriptors.vibrato": lambda g: descriptors.vibrato(WAVE, PARTIALS, LEVEL, 16000),
    "timbre.families.accuracy": lambda g: families.accuracy(),
    "timbre.families.features": lambda g: families.features(DESCRIBED),
    "timbre.families.named": lambda g: families.named("cello"),
    "timbre.families.probabilities": lambda g: families.probabilities(DESCRIBED),
    "timbre.reaching.by_ear": lambda g: reaching.by_ear(
        directions_of(256, tiny()), Instrument("one", np.ones(256)), brightness=1
    ),
    "timbre.reaching.reach": lambda g: reaching.reach(tiny(), Instrument("one", np.ones(256)), 900),
    "timbre.steering.Directions": lambda g: directions_of().steer(Instrument("one", np.ones(4)), brightness=1),
    "timbre.steering.axes": lambda g: steering.axes(tiny()),
    "timbre.steering.directions": lambda g: steering.directions(atlas_of(tiny())),
    "timbre.steering.move": lambda g: steering.move(g.flute, np.ones(4), 1.0),
    "timbre.wording.in_words": lambda g: wording.in_words(TIMBRE),
    "timbre.wording.known": lambda g: wording.known("warm"),
    "timbre.wording.margin": lambda g: wording.margin("bright", TIMBRE),
    "timbre.wording.vocabulary": lambda g: wording.vocabulary(),
    "timbre.wording.words": lambda g: wording.words(TIMBRE),
    "timbre.by_style.cast": lambda g: timbre.cast(g.song, [timbre.Candidate(g.flute, "flute")], "tango"),
    "timbre.roles.on_top": lambda g: roles.on_top({1: g.song.tracks[0].notes}),
    "timbre.roles.roles_of": lambda g: timbre.roles_of(g.song),
    "timbre.roles.texture": lambda g: roles.texture(g.song.tracks[0].notes),
    "timbre.styles.style": lambda g: timbre.style("tango"),
    "timbre.styles.style_names": lambda g: timbre.style_names(),
    "timbre.layouts.layout": lambda g: timbre.layout(atlas_of(g.model)),
    "training.plots.draw_row": lambda g: plots.draw_row(formula_data(2), matplotlib.figure.Figure().subplots(1, 2)),
    "train.main": lambda g: train.main(
        [f"--data={DATA / 'nsynth'}", f"--out={g.folder / 'run'}", "--tiny", "--images=8", "--seed=1"]
    ),
    "train.parser": lambda g: train.parser(),
    "training.plots.plot_data": lambda g: plots.plot_data(formula_data(2), g.folder / "data.png"),
    "training.plots.plot_losses": lambda g: plots.plot_losses(
        [
            {"images": 8 * i, "stage": 0, "wasserstein": 1.0, "real_pitch_accuracy": 0.5, "fake_pitch_accuracy": 0.5}
            for i in (1, 2)
        ]
    ),
    "training.loop.sample": lambda g: loop.sample(g.trainer(), np.zeros((2, 8)), np.array([60, 61]), g.folder),
    "webpage.checked_path": lambda g: webpage.checked_path("a.html"),
    "webpage.data": lambda g: webpage.data(b"a", "text/plain"),
    "webpage.policy": lambda g: webpage.policy("let a;"),
    "webpage.write": lambda g: webpage.write(g.folder / "bare.html", "base.html", {"title": "a"}),
    "widgets.base.Sound": lambda g: base.Sound(),
    "widgets.base.Sound.play": lambda g: base.Sound().play(g.clip),
    "widgets.base.quoted": lambda g: base.quoted("a"),
    "widgets.base.tip": lambda g: base.tip(base.Sound(), "what it is"),
    "widgets.base.script": lambda g: base.script("code.js"),
    "widgets.browser.Browser": lambda g: g.browser(),
    "widgets.browser.Browser.play": lambda g: g.browser().play("Cello"),
    "widgets.browser.Browser.star": lambda g: g.browser().star("Cello"),
    "widgets.checkpoints.Checkpoints": lambda g: widgets.Checkpoints().get(),
    "widgets.comparison.Comparison": lambda g: widgets.Comparison(widgets.Player(g.clips), g.tune()).run(),
    "widgets.each.GenerateEach": lambda g: widgets.GenerateEach(widgets.Checkpoints([]), g.tune()),
    "widgets.generate.Generate": lambda g: widgets.Generate(g.model, g.song, g.cello),
    "widgets.generate.Generate.run": lambda g: g.rendered(),
    "widgets.generate.Generate.save": lambda g: g.rendered().save(),
    "widgets.match.Match": lambda g: widgets.Match(g.shelf()).listen(),
    "widgets.mixer.Mixer": lambda g: widgets.Mixer(g.tune()),
    "widgets.mixer.Mixer.set": lambda g: widgets.Mixer(g.tune()).set(1, gain=-3.0),
    "widgets.notes.Preview": lambda g: notes.Preview(g.model),
    "widgets.notes.Preview.play_note": lambda g: notes.Preview(g.model).play_note(g.cello, 60),
    "widgets.notes.checked_bank": lambda g: notes.checked_bank(g.bank),
    "widgets.notes.drawn_bank": lambda g: notes.drawn_bank(g.model, 2, 1),
    "widgets.notes.note_code": lambda g: notes.note_code("bank['a']", 60),
    "widgets.notes.bank_code": lambda g: notes.bank_code(g.shelf()),
    "widgets.notes.model_of": lambda g: notes.model_of(g.shelf()),
    "widgets.notes.shared": lambda g: notes.shared(g.bank),
    "widgets.notes.renamed": lambda g: notes.renamed(g.cello, "b"),
    "widgets.notes.with_more": lambda g: notes.with_more(g.bank, [g.cello]),
    "widgets.original.Original": lambda g: widgets.Original(g.tune()).listen(),
    "widgets.keyboard.Keyboard": lambda g: widgets.Keyboard(g.model, g.cello).wait(),
    "widgets.pad.BlendPad": lambda g: widgets.BlendPad(g.model, [g.cello, g.flute] * 2),
    "widgets.pad.BlendPad.play": lambda g: widgets.BlendPad(g.model, [g.cello, g.flute] * 2).play(),
    "widgets.player.Player": lambda g: widgets.Player(g.clips),
    "widgets.player.Player.set": lambda g: widgets.Player().set(g.clips),
    "widgets.player.pictures": lambda g: player.pictures([g.clip], "mel"),
    "widgets.random_timeline.RandomTimeline": lambda g: widgets.RandomTimeline(g.shelf(), g.tune()),
    "widgets.takehome.TakeHome": lambda g: widgets.TakeHome(widgets.Player(g.clips), path=g.folder / "a.html").make(),
    "widgets.steering.Steering": lambda g: widgets.Steering(directions_of(), g.shelf()).reset(),
    "widgets.timbre_map.TimbreMap": lambda g: widgets.TimbreMap(atlas_of(g.model), g.shelf()).play("stub 0-1"),
    "widgets.timeline.TimelineEditor": lambda g: g.editor(),
    "widgets.timeline.TimelineEditor.add": lambda g: g.editor().add(0.1, "Flute"),
    "widgets.timeline.piano_roll": lambda g: timeline.piano_roll(g.song),
    "widgets.tune.Tune": lambda g: g.tune(),
    "widgets.tune.Tune.listen": lambda g: g.tune().listen(),
    "widgets.tune.Tune.load": lambda g: g.tune().load(MELODY),
    "widgets.tune.Tune.upload": lambda g: g.tune().upload(MELODY.read_bytes(), "melody.mid"),
    "widgets.recorder.Recorder": lambda g: recorder.Recorder(),
    "widgets.tune.is_enter": lambda g: tune.is_enter({"event": "submit"}),
    "widgets.tune.label": lambda g: tune.label(1, g.song.tracks[0]),
    "widgets.tune.may_fetch": lambda g: tune.may_fetch(),
    "widgets.tune.literal": lambda g: tune.literal("a"),
    "widgets.tune.parts_code": lambda g: tune.parts_code({1: render.Part(g.timeline)}, g.bank),
    "widgets.tune.row_of": lambda g: tune.row_of([{}], 1),
    "widgets.tune.shown": lambda g: tune.shown(MELODY),
}


def public():
    """All public functions of helpers, and all public classes that have a constructor of their own."""
    for info in pkgutil.walk_packages(helpers.__path__, "helpers."):
        name, module = info.name.removeprefix("helpers."), importlib.import_module(info.name)
        for member, value in vars(module).items():
            own = getattr(value, "__module__", None) == info.name and not member.startswith("_") and name not in INNER
            is_made = inspect.isclass(value) and "__init__" in vars(value) and not getattr(value, "_is_protocol", False)
            is_plain = dataclasses.is_dataclass(value) and value is not Timeline  # that one works things out
            if own and (inspect.isfunction(value) or (is_made and not is_plain)):
                yield f"{name}.{member}"


def loggers():
    return [logging.root, *(log for log in logging.root.manager.loggerDict.values() if isinstance(log, logging.Logger))]


def state():
    """Everything that a call could change for what runs after it, by what a person would call it."""
    kind, keys, *rest = np.random.get_state()
    return {
        "backend": matplotlib.get_backend(),
        "interactive": matplotlib.is_interactive(),
        "rcParams": {key: value for key, value in matplotlib.rcParams.items() if key != "backend"},
        "numpy's random state": (kind, keys.tolist(), *rest),
        "Python's random state": random.getstate(),
        "folder": os.getcwd(),
        "warnings filters": list(warnings.filters),
        "warnings output": warnings.showwarning,
        "log levels": {log.name: (log.level, log.disabled, list(log.handlers)) for log in loggers()},
        "disabled logging": logging.root.manager.disable,
        "environment": dict(os.environ),
        "import path": list(sys.path),
        "signals": {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)},
        "streams": (sys.stdout, sys.stderr),
    }


@pytest.fixture(scope="module")
def given(tmp_path_factory, tiny):
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("state")
        patch.setenv("GANSYNTH_DATA", str(folder / "data"))
        patch.setattr(runtime, "outputs", lambda: folder)
        yield Given(folder, tiny)


@pytest.fixture
def unusual(monkeypatch):
    """A process whose every setting is another than by default, and the pyplot figures that are made meanwhile."""
    made, figure = [], plt.figure
    monkeypatch.setattr(plt, "figure", lambda *args, **how: made.append(1) or figure(*args, **how))
    monkeypatch.setattr(logging.root, "level", logging.ERROR)
    before = random.getstate(), np.random.get_state()
    random.seed(7)
    np.random.seed(7)
    with warnings.catch_warnings(), plt.style.context("dark_background"), matplotlib.rc_context():
        warnings.simplefilter("ignore")
        matplotlib.rcParams["interactive"] = True
        yield made
        plt.close("all")
    random.setstate(before[0])
    np.random.set_state(before[1])


def differences(before, after):
    """What is different, with the values of both; loggers that are new are no difference."""
    after = after | {"log levels": {name: after["log levels"].get(name) for name in before["log levels"]}}
    return {key: (before[key], after[key]) for key in before if before[key] != after[key]}


def test_every_public_function_is_called_or_has_a_reason():
    known = CALLS.keys() | ELSEWHERE.keys()
    missing = sorted(set(public()) - known)
    assert not missing, "add them to CALLS, or to ELSEWHERE with the reason"
    gone = sorted(name for name in known if name.count(".") == 1 and name not in set(public()))
    assert not [name for name in gone if not name.partition(".")[2][0].isupper()], "they are no more"


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.slow
def test_a_call_leaves_everything_as_it_was(name, given, unusual, capsys):
    before, figures = state(), plt.get_fignums()
    CALLS[name](given)
    assert differences(before, state()) == {}
    shows = name.rpartition(".")[2] in SHOW and name not in ("training.trainer.draw", "evaluation.results.compare")
    assert bool(unusual) == (plt.get_fignums() != figures) == shows, "only what shows a figure may use pyplot"


def test_a_difference_is_seen(unusual):
    before = state()
    random.random()
    np.random.rand()
    matplotlib.rcParams.update({"lines.linewidth": 7, "interactive": False})
    changed = differences(before, state())
    assert sorted(changed) == ["Python's random state", "interactive", "numpy's random state", "rcParams"]
