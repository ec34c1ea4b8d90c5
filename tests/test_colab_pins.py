"""The pins of the emulated Colab, from the list that Colab publishes."""

from pathlib import Path

import colab_pins

COLAB = Path(__file__).parent / "colab"


def test_versions_come_from_the_list_and_what_is_gone_is_named():
    published = "Tensor_Flow==2.21.0\nnumpy==2.1.0\nthing @ file:///x\ntorch==2.6.0+cu124\n# a remark\n"
    assert colab_pins.pinned("tensor-flow==2.20.0\nold==1\ntorch==2.5\n", published) == (
        "tensor-flow==2.21.0\ntorch==2.6.0+cu124\n",
        ["old"],
    )


def test_those_that_are_kept_are_up_to_date():
    pins = (COLAB / "pins.txt").read_text("utf-8")
    assert colab_pins.pinned(pins, (COLAB / "pip-freeze.txt").read_text("utf-8")) == (pins, [])
