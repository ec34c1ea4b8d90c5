"""Measure the quality of sounds and models, and set up listening tests for what the measures miss.

    evaluation.self_check(model)                                    # is this checkpoint intact?
    evaluation.evaluate(model, reference, n=1000)                   # how good is it?
    evaluation.compare({"demo": found, "mine": other})              # which is better?
    results_page.write({"demo": found}, "outputs/demo.html")        # the same as a page, to cite in a paper
    evaluation.listening_test(clips, "outputs/test.html")           # which do people prefer?
    agreement.measure(clip, song)                                   # does a clip follow its score?

Notebook: 06_compare, 12_measure.
"""

from . import agreement, results, results_page
from .evaluating import evaluate
from .listening import listening_result, listening_test
from .results import Evaluation, compare
from .selfcheck import self_check

__all__ = [
    "Evaluation",
    "agreement",
    "compare",
    "evaluate",
    "listening_result",
    "listening_test",
    "results",
    "results_page",
    "self_check",
]
