import dataclasses
import json
import math

import numpy as np
import pytest
from inputs import DATA

from helpers.gansynth.config import ARCHITECTURE_KEYS, Config

TINY_TEXT = (DATA / "checkpoints" / "tiny_stage12" / "experiment.json").read_text()
TINY_VALUES = json.loads(TINY_TEXT)
SCHEDULE = json.loads((DATA / "schedule.json").read_text())


def test_a_published_file_is_read():
    config = Config.from_json(TINY_TEXT)
    fields = {f.name for f in dataclasses.fields(Config)} & TINY_VALUES.keys()
    assert len(fields) == 26
    assert {key: getattr(config, key) for key in fields} == {key: TINY_VALUES[key] for key in fields}
    assert config.assumed == ()
    assert (config.frames, config.bins) == (128, 1024)


def test_defaults_are_the_published_models():
    config = Config()
    assert (config.fmap_base, config.fmap_decay, config.fmap_max) == (4096, 1.0, 256)
    assert (config.start_height, config.start_width, config.num_resolutions) == (2, 16, 7)
    assert (config.mag_normalizer_a, config.mag_normalizer_b) == (0.0661371661726, 0.113718730221)
    assert (config.p_normalizer_a, config.p_normalizer_b) == (0.8, 0.0)
    assert (config.audio_length, config.sample_rate, config.data_type) == (64000, 16000, "mel")


def test_a_file_comes_back_as_it_was():
    """Keys of the original that mean nothing here, and keys of forks, must survive a conversion."""
    values = {**TINY_VALUES, "train_min_pitch": 24, "a fork's own": [1, {"deep": None}]}
    config = Config.from_dict(values)
    assert config.extra["train_min_pitch"] == 24
    assert {key: config.to_dict()[key] for key in values} == values
    assert Config.from_json(json.dumps(config.to_dict())) == config


@pytest.mark.parametrize("key", ARCHITECTURE_KEYS)
def test_a_missing_architecture_key_is_assumed_and_said_so(key):
    config = Config.from_dict({k: v for k, v in TINY_VALUES.items() if k != key})
    assert config.assumed == (key,)
    assert getattr(config, key) == getattr(Config(), key)
    # Writing it out must not turn the guess into a fact.
    assert key not in config.to_dict()
    assert Config.from_dict(config.to_dict()) == config


def test_other_missing_keys_take_the_published_value():
    config = Config.from_dict({"num_resolutions": 7})
    assert config.mag_normalizer_a == Config().mag_normalizer_a
    assert set(config.assumed) == set(ARCHITECTURE_KEYS) - {"num_resolutions"}


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("fmap_max", "256"),
        ("fmap_max", None),
        ("fmap_max", True),
        ("fmap_max", 0),
        ("fmap_base", -4096),
        ("fmap_base", [4096]),
        ("fmap_decay", -1.0),
        ("fmap_decay", math.nan),
        ("mag_normalizer_a", math.inf),
        ("mag_normalizer_a", 0),
        ("p_normalizer_b", math.nan),
        ("kernel_size", 2.5),
        ("start_width", -16),
        ("num_resolutions", 0),
        ("latent_vector_size", {}),
        ("scale_base", 3),
        ("sample_rate", 0),
        ("audio_length", -1),
        ("train_progressive", "yes"),
        ("train_progressive", 1),
        ("simple_arch", True),
        ("stable_stage_num_images", 0),
        ("transition_stage_num_images", 0),
        ("data_type", "cepstrum"),
        ("data_type", "wave"),
        ("data_type", 3),
        ("data_normalizer", "specgrams_freq_normalizer"),
        ("to_rgb_activation", "relu"),
        ("g_fn", "other"),
        ("scale_mode", "H"),
    ],
)
def test_nonsense_names_its_key_and_file(key, value):
    text = json.dumps({**TINY_VALUES, key: value})  # Python's JSON writes and reads NaN, as the original's did
    with pytest.raises(ValueError, match=rf"^some/experiment\.json: {key} is ") as error:
        Config.from_json(text, "some/experiment.json")
    assert "\n" not in str(error.value)


def test_a_number_beyond_all_floats_is_refused():
    with pytest.raises(ValueError, match="fmap_max"):
        Config.from_dict({**TINY_VALUES, "fmap_max": 10**400})


@pytest.mark.parametrize("key", ["kernel_size", "start_height", "num_resolutions", "audio_length", "sample_rate"])
def test_a_whole_number_is_an_int_however_it_was_written(key):
    """Some JSON writers make 3.0 of 3. It ends up in shapes, and in the fingerprint."""
    config = Config.from_dict({**TINY_VALUES, key: float(TINY_VALUES[key])})
    assert isinstance(getattr(config, key), int)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{}", "none of the model's hyper-parameters"),
        ('{"unknown": 1}', "none of the model's hyper-parameters"),
        ("", "not valid JSON"),
        ('{"kernel_size": 3', "not valid JSON"),
        ("[1, 2]", "one JSON object, not a list"),
        ("3", "one JSON object, not a int"),
        ("null", "one JSON object, not a NoneType"),
    ],
)
def test_what_is_not_an_experiment_is_refused(text, said):
    with pytest.raises(ValueError, match=rf"^here\.json.*{said}"):
        Config.from_json(text, "here.json")


@pytest.mark.parametrize("row", SCHEDULE["rows"], ids=lambda row: f"{row['stage']}@{row['global_step']}")
def test_schedule_is_the_originals(row):
    config = Config()
    progress = config.progress(row["stage"], row["global_step"])
    assert config.num_blocks(row["stage"]) == row["num_blocks"]
    assert np.float32(progress) == np.float32(row["progress"])
    # The weights of the blocks are computed from it, so it must not carry digits that a float32 has not.
    assert progress == float(np.float32(progress))


def test_progress_past_the_end_of_a_stage_stays_in_it():
    """Weights of the next block do not exist yet, so its progress may not begin."""
    assert Config().progress(0, 10**9) == 0.0
    assert Config().progress(12, 10**9) == 6.0


@pytest.mark.parametrize("stage", [0, 5, 12])
def test_without_progressive_training_all_blocks_are_complete(stage):
    config = Config(train_progressive=False)
    assert config.progress(stage, 0) == config.num_blocks(stage) - 1


@pytest.mark.parametrize(("config", "model"), [(Config(), "published"), (Config.from_json(TINY_TEXT), "tiny")])
def test_filters_are_the_originals(config, model):
    assert [config.filters(b) for b in range(8)] == SCHEDULE["num_filters"][model]


@pytest.mark.parametrize(
    ("key", "value"), [("kernel_size", 4), ("num_resolutions", 40), ("fmap_decay", 1e300), ("audio_length", 70000)]
)
def test_numbers_that_no_network_can_have_are_refused(key, value):
    with pytest.raises(ValueError, match=key):
        Config.from_dict({**TINY_VALUES, key: value})


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"fmap_base": 1 << 40, "fmap_max": 1 << 20}, "fmap_max"),
        ({"fmap_base": 1 << 40, "fmap_max": 2048}, "block 6 has 2048 filters"),
        ({"fmap_base": 0.5}, "fmap_base"),
        ({"start_height": 1 << 20}, "start_height"),
        ({"start_width": 4096}, "a spectrogram has 128 x 262144"),
        ({"start_height": 2048, "audio_length": 64000}, "a spectrogram has 131072 x 1024"),
        ({"num_resolutions": 12}, "num_resolutions"),
        ({"latent_vector_size": 10**9}, "latent_vector_size"),
        ({"kernel_size": 10**6 + 1}, "kernel_size"),
        ({"audio_length": 10**12}, "audio_length"),
        ({"sample_rate": 1}, "sample_rate"),
        ({"sample_rate": 10**9}, "sample_rate"),
        ({"mag_normalizer_a": 1e-300}, "mag_normalizer_a"),
        ({"mag_normalizer_a": 1e-3}, "mag_normalizer_a"),
        ({"mag_normalizer_b": 1e15}, "mag_normalizer_b"),
        ({"p_normalizer_a": 1e-9}, "p_normalizer_a"),
    ],
)
def test_what_would_fill_the_memory_or_overflow_is_refused(changes, said):
    with pytest.raises(ValueError, match=said) as caught:
        Config.from_dict({**TINY_VALUES, **changes})
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "changes",
    [
        {"fmap_base": 8192, "fmap_max": 512},  # twice as wide
        {"start_height": 4, "audio_length": 128000},  # twice as long
        {"start_height": 4, "start_width": 8, "fmap_base": 512, "fmap_max": 128},  # the original program's defaults
        {"start_width": 32, "audio_length": 128000},  # frames of 4096
        {"num_resolutions": 8, "audio_length": 256000, "fmap_base": 4096},
    ],
)
def test_larger_models_than_the_published_ones_are_admitted(changes):
    published = {"fmap_base": 4096, "fmap_decay": 1.0, "fmap_max": 256}
    Config.from_dict({**TINY_VALUES, **published, **changes})


@pytest.mark.parametrize("nested", ["[" * 100_000, '{"a":' * 100_000, '{"x": ' + "[" * 500 + "]" * 500 + "}"])
def test_nesting_without_end_is_one_sentence(nested):
    with pytest.raises(ValueError, match=r"^here\.json is not valid JSON: .*(nested|Expecting)") as caught:
        Config.from_json(nested, "here.json")
    assert "\n" not in str(caught.value)


def test_a_number_of_many_digits_is_refused_at_once():
    with pytest.raises(ValueError, match="fmap_max is inf"):
        Config.from_json('{"fmap_max": ' + "9" * 4000 + "}", "here.json")


@pytest.mark.parametrize("value", ["x" * 10**6, "\x1b[31m", "a\nb", ["x"] * 10**6])
@pytest.mark.slow
def test_a_wrong_value_is_quoted_shortly(value):
    with pytest.raises(ValueError, match=r"^here") as caught:
        Config.from_json(json.dumps({"kernel_size": value}), "here.json")
    assert len(str(caught.value)) < 200
    assert str(caught.value).isprintable()


def test_an_experiment_that_is_too_large_is_not_read(tmp_path):
    path = tmp_path / "experiment.json"
    path.write_text('{"kernel_size": 3, "x": "' + "x" * (2 << 20) + '"}')
    with pytest.raises(ValueError, match="larger than"):
        Config.read(path)
