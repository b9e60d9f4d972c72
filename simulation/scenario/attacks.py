"""Attacks that a scenario's clients may make, by name; `simulation.ports.liars` makes them.

| name | what such a client sends | published in |
|---|---|---|
| label-flip | an update trained on labels that are mirrored: 0 for 9, 1 for 8 | Tolpegin, Truex, Gursoy and Liu, ESORICS 2020, https://arxiv.org/abs/2007.08432 |
| sign-flip, sign-flip-3 | its honest update times -1, or -3 | Li, Xu, Chen, Giannakis and Ling, AAAI 2019, https://arxiv.org/abs/1811.03761 |
| gaussian | noise with ten times the norm of its honest update | Blanchard, El Mhamdi, Guerraoui and Stainer, NeurIPS 2017, https://arxiv.org/abs/1703.02757 |
| alie | the honest mean minus 1.5 standard deviations of each value | Baruch, Baruch and Goldberg, NeurIPS 2019, https://arxiv.org/abs/1902.06156 |
| ipm-0.1, ipm-0.5, ipm-10 | the honest mean times -0.1, -0.5 or -10 | Xie, Koyejo and Gupta, UAI 2019, https://arxiv.org/abs/1903.03936 |
| mimic | a copy of the honest update that is farthest along the direction of most variance | Karimireddy, He and Jaggi, ICLR 2022, https://arxiv.org/abs/2006.09365 |
| x100 | its honest update times 100 | Bagdasaryan, Veit, Hua, Estrin and Shmatikov, AISTATS 2020, https://arxiv.org/abs/1807.00459 |
| free-rider | zero: the model as it was pulled | Fraboni, Vidal and Lorenzi, AISTATS 2021, https://arxiv.org/abs/2006.11901 |
"""  # noqa: E501 - a table

from __future__ import annotations

from typing import Literal, get_args

Attack = Literal[
    "label-flip", "sign-flip", "sign-flip-3", "gaussian", "alie", "ipm-0.1", "ipm-0.5", "ipm-10",
    "mimic", "x100", "free-rider",
]  # fmt: skip

ATTACKS: tuple[Attack, ...] = get_args(Attack)
