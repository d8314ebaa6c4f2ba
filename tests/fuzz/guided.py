"""Let coverage guide the damage to the bytes of one reader's inputs; needs atheris, which nothing else here does.

    pip install atheris
    python tests/fuzz/guided.py xps.vamas -max_total_time=600

What it finds it keeps as ``build/fuzz/guided/<reader>/crash-...``; what reached new lines grows its corpus there, and
the next run goes on from it. Options behind the reader are those of libFuzzer.
"""

from __future__ import annotations

import os
import sys
import warnings
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parents[1]), str(HERE.parent / "support")]
KEPT = HERE.parents[1] / "build" / "fuzz" / "guided"


def main() -> None:
    import atheris

    with atheris.instrument_imports(include=["operando"]):
        import damage
        import trial
        from targets import targets

        target = targets()[sys.argv[1]]
        seeds = [seed for seed in trial.seeds_of(target) if seed.main in seed.files]
    folder, corpus = KEPT / target.name, KEPT / target.name / "corpus"
    corpus.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(seeds):
        (corpus / f"seed{number}").write_bytes(seed.files[seed.main])
    path = damage.written(seeds[0], trial.emptied(folder / "input"))

    def one_input(data: bytes) -> None:
        path.write_bytes(data)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            outcome = trial._outcome(target, path, seeds[0], trial.First())
        if outcome.is_finding and outcome.kind != "warning":
            raise RuntimeError(f"{outcome.kind}: {outcome.text}\n{outcome.place}")

    os.chdir(folder)
    limits = ["-timeout=10", "-rss_limit_mb=2048", "-max_len=200000"]
    atheris.Setup([sys.argv[0], *limits, *sys.argv[2:], str(corpus)], one_input)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
