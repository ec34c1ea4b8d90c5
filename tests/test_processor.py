"""helpers.gansynth.processor: bfloat16 where the processor multiplies in it, and why or why not."""

import pytest
from inputs import DATA

from helpers import generate
from helpers.gansynth import processor

PLAIN = "fpu avx2 avx512f avx512_vnni"


@pytest.fixture
def cpu(tmp_path, monkeypatch):
    """Makes it a machine whose processor has some flags."""
    monkeypatch.delenv(processor.ONEDNN, raising=False)
    monkeypatch.setattr(processor, "_has_gpu", lambda: False)

    def has(flags):
        file = tmp_path / "cpuinfo"
        file.write_text(f"processor\t: 0\nmodel name\t: Some AMX flags\nflags\t\t: {flags}\nbugs\t: avx512_bf16\n" * 2)
        monkeypatch.setattr(processor, "CPU_INFO", file)

    return has


@pytest.mark.parametrize("flag", ["avx512_bf16", "amx_bf16"])
def test_bfloat16_where_the_processor_multiplies_in_it(cpu, flag):
    cpu(f"{PLAIN} {flag}")
    assert processor.best_precision() == ("bfloat16", f"the processor supports it ({flag})")


def test_float32_elsewhere_and_why(cpu, monkeypatch, tmp_path):
    cpu(f"{PLAIN} avx512_bf16_not")
    precision, why = processor.best_precision()
    assert precision == "float32"
    assert "does not multiply in bfloat16" in why
    monkeypatch.setattr(processor, "CPU_INFO", tmp_path / "none")
    assert processor.best_precision() == ("float32", "this system does not list its processor's features")


def test_float32_where_something_keeps_the_processor_from_it(cpu, monkeypatch):
    cpu(f"{PLAIN} avx512_bf16")
    assert processor.best_precision("onnx") == ("float32", "the backend onnx supports no other")
    monkeypatch.setattr(processor, "_has_gpu", lambda: True)
    assert processor.best_precision() == ("float32", "a GPU is used, which may not support bfloat16")
    monkeypatch.setenv(processor.ONEDNN, "0")
    precision, why = processor.best_precision()
    assert precision == "float32"
    assert "TF_ENABLE_ONEDNN_OPTS=0" in why


@pytest.mark.parametrize(("flags", "found"), [(PLAIN, "float32"), (f"{PLAIN} amx_bf16", "bfloat16")])
@pytest.mark.slow
def test_generate_says_what_it_chose_and_writes_it_down(cpu, flags, found, tmp_path, capsys):
    cpu(flags)
    folder = DATA / "checkpoints" / "tiny_stage12"
    given = ["--ckpt_dir", str(folder), "--precision=auto", "--seed=1", "--batch_size=1"]
    assert generate.main([*given, "--output_dir", str(tmp_path)]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith(f"precision {found}: the processor ")
    assert ("bfloat16" in said[1]) == (found == "bfloat16")
    assert generate.main([*given, "--output_dir", str(tmp_path / "many"), str(DATA / "midi" / "melody14.mid")]) == 0
    assert (f"--precision={found}" in (tmp_path / "many" / "manifest.json").read_text()) == (found == "bfloat16")
