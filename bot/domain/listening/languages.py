"""Guesses a person's language from a few words, so that the first reply is already in it."""

from __future__ import annotations

from collections.abc import Mapping

from py3langid.langid import MODEL_FILE, LanguageIdentifier

from bot.domain.listening.understanding import words_of

MIN_CONFIDENCE = 0.9
"""Less certain guesses are dropped and the language stays as it is. On texts of two words and more this tells English from
Spanish 19 times in 20; on single words the guess is useless."""
MIN_CONFIDENCE_TO_CHANGE, MIN_WORDS_TO_CHANGE = 0.99, 4


class LanguageGuesser:
    """Guesses among Warmline's languages. Single words count only where `language_words` names them (hola, gracias)."""

    def __init__(self, languages: tuple[str, ...], language_words: Mapping[str, str]) -> None:
        self._language_words = language_words
        self._model = _model_of(languages)

    def guess(self, text: str, *, settled: bool = False) -> str | None:
        """The language of the text, or None where that is unclear. `settled`: one was guessed before, and only a long
        enough and certain text changes it."""
        words = words_of(text[:200])
        if settled and len(words) < MIN_WORDS_TO_CHANGE:
            return None
        for word in words[:4]:
            if word in self._language_words:
                return self._language_words[word]
        if len(words) < 2:
            return None
        language, sureness = self._model.classify(text[:200].lower())
        return str(language) if sureness >= (MIN_CONFIDENCE_TO_CHANGE if settled else MIN_CONFIDENCE) else None


def _model_of(languages: tuple[str, ...]) -> LanguageIdentifier:
    """The library's model reduced to these languages, which saves 25 MB per process."""
    full = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    full.set_languages(list(languages))
    return LanguageIdentifier(
        full.nb_ptc.copy(), full.nb_pc.copy(), list(full.nb_classes), full.tk_nextmove, full.tk_output,
        norm_probs=True, tk_row=full.tk_row,
    )  # fmt: skip
