"""Words of training in the languages that people print them in, read as their English ones.

Only the words that the grammar of printed lines knows anyway: what counts, what is measured, of which phase. A text
that has none of their letters is left as it is; lines stay lines, so that evidence finds its place.
"""

from __future__ import annotations

import re
import unicodedata

# English term: how it is written in Russian, German, French, Spanish, Portuguese, Italian, Turkish, Polish, Indonesian,
# Vietnamese, Chinese (simplified, traditional), Japanese and Korean, as public training loops print it
_TERMS = {
    "epoch": "эпоха,эпохи,эпох,epoche,epochen,époque,époques,época,épocas,epoca,epok,epoka,epoki,轮次,轮数,轮,"
    "輪次,輪,回合数,エポック,에포크,에폭",
    "step": "шаг,schritt,étape,paso,passo,adım,krok,langkah,bước,步数,步數,步骤,步,ステップ,스텝",
    "iteration": "итерация,итерации,itération,iteración,iteração,iterazione,iterasyon,iteracja,iterasi,迭代次数,"
    "迭代次數,迭代,イテレーション,이터레이션",
    "batch": "батч,пакет,lote,批次,批,バッチ,배치",
    "loss": "потери,потеря,потерь,функция потерь,лосс,verlust,perte,pertes,pérdida,perdida,perda,perdita,kayıp,"
    "kerugian,mất mát,损失值,损失函数,损失,損失值,損失関数,損失,ロス,손실값,손실",
    "train": "обучения,обучение,обучающая,тренировка,тренировки,entrenamiento,de entrenamiento,entraînement,"
    "d'entraînement,d’entraînement,treino,de treino,treinamento,de treinamento,addestramento,di addestramento,"
    "eğitim,pelatihan,huấn luyện,训练,訓練,学習,훈련,학습",
    "validation": "валидации,валидация,валидационная,validierung,de validation,validación,de validación,validação,"
    "de validação,validazione,di validazione,doğrulama,walidacja,walidacji,validasi,验证集,验证,驗證,検証,검증",
    "test": "тест,тестовая,тестирования,prueba,de prueba,teste,de teste,测试集,测试,測試,テスト,테스트",
    "accuracy": "точность,genauigkeit,exactitud,précision,precisión,acurácia,accuratezza,doğruluk,dokładność,"
    "akurasi,độ chính xác,准确率,準確率,正确率,精度,정확도",
    "learning rate": "скорость обучения,lernrate,taux d'apprentissage,taux d’apprentissage,tasa de aprendizaje,"
    "taxa de aprendizado,taxa de aprendizagem,tasso di apprendimento,öğrenme oranı,öğrenme hızı,"
    "współczynnik uczenia,laju pembelajaran,tốc độ học,学习率,學習率,学習率,학습률",
    "time": "время,zeit,temps,tiempo,tempo,süre,zaman,czas,waktu,thời gian,耗时,耗時,用时,用時,时间,時間,"
    "소요 시간,시간",
    "average": "среднее,средняя,средние,durchschnittlich,durchschnittlicher,moyenne,promedio,média,ortalama,średnia,"
    "平均,평균",
    "best": "лучшая,лучший,лучшее,beste,bester,meilleure,meilleur,mejor,melhor,migliore,en iyi,najlepsza,最佳,"
    "最优,最好,最高,最低,最小,最良,ベスト,최고,최저",
    "train loss": "trainingsverlust,train-verlust",
    "validation loss": "validierungsverlust,val-verlust",
}
_ENGLISH = {word: term for term, words in _TERMS.items() for word in words.split(",")}
_IDEOGRAMS = "\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af"
_UNSPACED = re.compile(f"[{_IDEOGRAMS}]")


def _one_of(words: list[str]) -> str:
    return "|".join(map(re.escape, sorted(words, key=len, reverse=True)))


_SPACED_WORDS = re.compile(  # an underscore parts words, too: pérdida_val
    rf"(?<![^\W_])(?:{_one_of([w for w in _ENGLISH if not _UNSPACED.search(w)])})(?![^\W_])", re.I
)
_UNSPACED_WORD = re.compile(_one_of([w for w in _ENGLISH if _UNSPACED.search(w)]))
_UNSPACED_WORDS = re.compile(rf"(?:{_UNSPACED_WORD.pattern}){{1,8}}+")
_ORDINAL = re.compile(  # 第 3/50 轮: the number stands inside its word
    r"第\s{0,3}(?P<at>\d{1,15})\s{0,3}(?:/\s{0,3}(?P<of>\d{1,15})\s{0,3})?(?:次|个|個)?\s{0,3}"
    r"(?P<word>轮|輪|エポック|에포크|epoch|步|批|迭代)",
    re.I,
)
# a text that may have such words: letters beyond ASCII, or a word of theirs that counts or is measured beside a number
_LETTERS = re.compile(f"[\u00c0-\u024f\u0300-\u036f\u0400-\u04ff\u1e00-\u1eff{_IDEOGRAMS}\uff01-\uff5e]")
_PLAIN_SIGN = re.compile(
    r"(?<!\w)(?:epoche|epochen|epoca|epok|epoka|epoki|verlust|lernrate|perte|pertes|perdida|perda|perdita|kerugian)"
    r"\s{0,4}[:=]?\s{0,4}\d",
    re.I,
)
_PHASE_BEHIND = re.compile(r"\b(loss|accuracy) (train|validation|test)\b(?! loss| accuracy)")
LOOKED_AT = 100_000  # characters; a text that writes decimal commas has them at once
FEWEST_COMMAS = 4  # that no count in thousands has: three digits behind a digit that is not 0
_DECIMAL_COMMA = re.compile(r"[:=]\s{0,3}-?(?:\d{1,3},(?:\d{1,2}|\d{4,12})|0,\d{3})(?![\d,.])")
_DECIMAL_POINT = re.compile(r"[:=]\s{0,3}-?\d{1,12}\.\d")
_ANY_COMMA = re.compile(r"(?<![\d.,])(\d{1,3}),(\d{1,12})(?![\d,.])")
_WIDE = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)}
_WIDE |= {0x3000: 0x20, 0x3001: 0x2C, 0x3010: 0x5B, 0x3011: 0x5D}
"""Full-width signs and digits, the ideographic blank, comma and brackets: what they are in ASCII."""


def in_english(text: str) -> str:
    """The text with known words of training in English, decimal commas as points, and full-width signs and digits in
    ASCII; lines stay lines."""
    text = with_decimal_points(text)
    if text.isascii() or _LETTERS.search(text) is None:  # beyond ASCII there may be signs: R², ✓
        return _in_order(_SPACED_WORDS.sub(_term, text)) if _PLAIN_SIGN.search(text) else text
    text = unicodedata.normalize("NFC", text).translate(_WIDE)
    text = _SPACED_WORDS.sub(_term, text)
    if _UNSPACED.search(text) is None:
        return _in_order(text)
    return _in_order(_UNSPACED_WORDS.sub(_terms, _ORDINAL.sub(_counter, text)))


def with_decimal_points(text: str) -> str:
    """The text with its decimal commas as points, where its assigned numbers have commas that part no thousands, and
    none has a point: a comma is one or the other in all of a text."""
    head = text[:LOOKED_AT]
    if _DECIMAL_COMMA.search(head) is None or _DECIMAL_POINT.search(head) is not None:
        return text
    if sum(1 for _ in _DECIMAL_COMMA.finditer(head)) < FEWEST_COMMAS:
        return text
    return _ANY_COMMA.sub(r"\1.\2", text)


def _in_order(text: str) -> str:
    """Phases stand in front of what is measured, as in English: pérdida de validación is validation loss."""
    return _PHASE_BEHIND.sub(r"\2 \1", text)


def name_in_english(name: str) -> str:
    """The name of a column in English, where words that are known make it."""
    return in_english(_SPACED_WORDS.sub(_term, name))


def _term(match: re.Match[str]) -> str:
    return _ENGLISH[match[0].lower()]


def _terms(match: re.Match[str]) -> str:
    """Words that no blank sets apart, set apart; also from a letter or number beside them."""
    terms = " ".join(_ENGLISH[word] for word in _UNSPACED_WORD.findall(match[0]))
    text, start, end = match.string, match.start(), match.end()
    before = " " if start and text[start - 1].isalnum() else ""
    behind = " " if end < len(text) and text[end].isalnum() else ""
    return f"{before}{terms}{behind}"


def _counter(match: re.Match[str]) -> str:
    total = f"/{match['of']}" if match["of"] else ""
    return f"{_ENGLISH.get(match['word'].lower(), 'epoch')} {match['at']}{total}"
