"""Which language a person writes, guessed from a few words, so that the first answer is already in it."""

from __future__ import annotations

from collections.abc import Mapping

from py3langid.langid import MODEL_FILE, LanguageIdentifier

from bot.domain.understanding import words_of

SURE = 0.9
"""Below this the guess is left alone and the person stays in the language they have: on short texts of two words and
more it tells English from Spanish 19 times in 20, on single words it is not worth having."""


CERTAIN, SENTENCE = 0.99, 4


class LanguageGuess:
    """Guesses among the line's languages. Single words count only where `telling` names them (hola, gracias)."""

    def __init__(self, languages: tuple[str, ...], telling: Mapping[str, str]) -> None:
        self._telling = telling
        self._model = _model_of(languages)

    def read(self, text: str, *, settled: bool = False) -> str | None:
        """The language of the text, or None where it cannot be told. `settled`: one was guessed before, and only a
        sentence that leaves no doubt is worth another look."""
        words = words_of(text[:200])
        if settled and len(words) < SENTENCE:
            return None
        for word in words[:4]:
            if word in self._telling:
                return self._telling[word]
        if len(words) < 2:
            return None
        language, sureness = self._model.classify(text[:200].lower())
        return str(language) if sureness >= (CERTAIN if settled else SURE) else None


def _model_of(languages: tuple[str, ...]) -> LanguageIdentifier:
    """The library's model of all its languages cut down to ours, which spares 25 MB in every process."""
    full = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    full.set_languages(list(languages))
    return LanguageIdentifier(
        full.nb_ptc.copy(), full.nb_pc.copy(), list(full.nb_classes), full.tk_nextmove, full.tk_output,
        norm_probs=True, tk_row=full.tk_row,
    )  # fmt: skip
