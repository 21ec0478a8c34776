"""Words of training logs in other languages than English, as the words that the grammar of lines knows.

Only lines that are not ASCII are looked at. A word of Chinese or Japanese stands beside the next without a blank.
"""

from __future__ import annotations

import re

_WORDS = {
    "epoch": "эпоха época époque epoche エポック 에포크 에폭 轮次 轮数",
    "step": "шаг étape ステップ 스텝 步数 步數",
    "iteration": "итерация itération iteración iteração 迭代次数 迭代",
    "batch": "батч バッチ 배치 批次",
    "loss": "потери потеря pérdida perda perte 损失值 損失値 损失 損失 손실",
    "train": "обучения обучение d'entraînement entraînement entrenamiento treinamento 训练集 訓練 训练 学習 훈련 학습",
    "validation": "валидации валидация validación validação 验证集 驗證 验证 検証 검증",
    "test": "теста 测试集 测试 測試 テスト 테스트",
    "learning rate": "学习率 學習率 学習率 학습률",
    "accuracy": "точность précision exactitud precisión acurácia 准确率 準確率 正解率 精度 정확도",
    "time": "время tiempo tempo temps 耗时 耗時 用时 时间 時間 시간",
    "average": "средние среднее promedio média moyenne 平均 평균",
    "best": "лучшая mejor meilleure 最佳 最优 최고",
    "current": "当前 當前 현재",
    "total": "总 總",
}
_OWN_SCRIPT = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")
_SIGNS = str.maketrans("：，；（）【】／", ":,;()[]/")
_NUMBERED = re.compile(
    r"第\s{0,6}(\d{1,15}(?:\s?/\s?\d{1,15})?)\s{0,3}[个個次]?(轮|輪|回|步|批|epoch|iteration|エポック)", re.I
)
_NUMBERED_AS = {"轮": "epoch", "輪": "epoch", "回": "epoch", "步": "step", "批": "batch", "エポック": "epoch"}
_ENGLISH = {word: english for english, words in _WORDS.items() for word in words.split()}
_FOREIGN = re.compile(
    "|".join(
        re.escape(word) if _OWN_SCRIPT.match(word) else rf"(?<!\w){re.escape(word)}(?!\w)"
        for word in sorted(_ENGLISH, key=len, reverse=True)
    ),
    re.I,
)
_BLANKS = re.compile(r"(?<=\S)[ ]{2,}")
_OF = re.compile(r"\b(loss|accuracy) (?:de |d')?(train|validation|test)\b", re.I)  # pérdida de validación


def in_english(line: str) -> str:
    """A line with the words that it says in another language in English; others stay as they are."""
    if line.isascii():
        return line
    line = _NUMBERED.sub(lambda found: f" {_NUMBERED_AS.get(found[2], found[2])} {found[1]} ", line.translate(_SIGNS))
    told = _FOREIGN.sub(lambda found: f" {_ENGLISH.get(found[0].lower(), found[0])} ", line)
    if told == line:
        return line
    return _OF.sub(r"\2 \1", _BLANKS.sub(" ", told).replace(" :", ":").strip())
