"""Words of training in other languages are read as their English ones; whatever has none of them stays as it is."""

from __future__ import annotations

import pytest

from analyzer.readers.stdout.languages import in_english

TRANSLATED = [
    ("第 3/50 轮，训练损失：0.52，验证损失：0.61", "epoch 3/50,train loss:0.52,validation loss:0.61"),
    ("学习率：1e-3", "learning rate:1e-3"),
    ("第1轮", "epoch 1"),
    ("迭代 100 损失 2.3", "iteration 100 loss 2.3"),
    ("エポック 1, バッチ 0/1563, 損失: 1.98", "epoch 1, batch 0/1563, loss: 1.98"),
    ("에폭 2/10 손실: 0.4 학습률: 0.001", "epoch 2/10 loss: 0.4 learning rate: 0.001"),
    ("Эпоха 1/60, Потери обучения: 1.09", "epoch 1/60, train loss: 1.09"),
    ("Époque 1/40\nPerte d'entraînement: 4.88", "epoch 1/40\ntrain loss: 4.88"),
    ("E\u0301poque 1/40", "epoch 1/40"),  # an accent of its own
    ("Época 100 [pérdida: 0.71]", "epoch 100 [loss: 0.71]"),
    ("Epoche: 3 Verlust: 8.9 Lernrate: 0.1", "epoch: 3 loss: 8.9 learning rate: 0.1"),
    ("Epoch 1, Loss: 2.5", "Epoch 1, Loss: 2.5"),
]
COMMAS = "\n".join(f"epoch {epoch} loss: {epoch},{6119 + epoch} lr: 0,001" for epoch in range(3))
TRANSLATED.append((COMMAS, COMMAS.replace(",", ".")))
LEFT = [
    "\n".join(f"epoch {epoch} loss: 0.5 tokens: {epoch + 1},500" for epoch in range(9)),
    "\n".join(f"step: {epoch + 1},500 samples: {epoch + 2},000" for epoch in range(9)),  # thousands
    "devices: 0,1\nshape: 3,32\nloss: 2",
    "\n".join(f"gpus: 0,{epoch} loss: 0.5" for epoch in range(9)),
    "",
    "step 10 loss 2.5 lr 0.1 time 3.2s",
    " 40%|████      | 4/10 [00:01<00:02,  3.1it/s, loss=0.5]",
    "Perte de temps",  # no number beside it: no log in that language
    "tempo run at lote 5",
    "naïve Bayes: 3",
    "日本語のテキスト",
]


@pytest.mark.parametrize(("text", "english"), TRANSLATED)
def test_known_words_are_english(text: str, english: str) -> None:
    assert in_english(text) == english
    assert in_english(text).count("\n") == text.count("\n")


@pytest.mark.parametrize("text", LEFT)
def test_all_else_is_left(text: str) -> None:
    assert in_english(text) == text
