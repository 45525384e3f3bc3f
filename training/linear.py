"""The linear teacher: NB-SVM on 1- to 3-grams (Wang and Manning, ACL 2012).

Each binary n-gram feature is scaled by its log-count ratio between the classes, and a linear model is fitted on
the result. It uses the logistic loss instead of the hinge loss, so that its outputs are probabilities.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression

from model.tokenizer import WordTokenizer
from training.errors import DatasetError


@dataclass(frozen=True, slots=True)
class NbSvm:
    """A fitted model; `fit` makes one."""

    vectorizer: CountVectorizer
    ratios: NDArray[np.float64]  # (features,), log-count ratios
    classifier: LogisticRegression

    @classmethod
    def fit(cls, texts: Sequence[str], labels: Sequence[int], *, min_documents: int = 2) -> "NbSvm":
        """Fit on labelled texts, deterministically. DatasetError where no n-gram is in `min_documents` texts."""
        vectorizer = CountVectorizer(
            ngram_range=(1, 3),
            tokenizer=WordTokenizer.split,
            token_pattern=None,
            lowercase=False,
            binary=True,
            min_df=min_documents,
            dtype=np.float32,
        )
        try:
            features = vectorizer.fit_transform(texts)
        except ValueError as error:
            raise DatasetError(
                f"the {len(texts):,} labelled reviews have no word in common to learn from ({error}): "
                "give more reviews, or a higher --limit"
            ) from error
        targets = np.asarray(labels)
        ratios = _log_count_ratios(features, targets)
        classifier = LogisticRegression(C=1.0, solver="liblinear", dual=True, random_state=0, max_iter=1000)
        classifier.fit(features.multiply(ratios).tocsr(), targets)
        return cls(vectorizer, ratios, classifier)

    def probabilities(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """P(positive) of each text, (B,) float32."""
        if not texts:
            return np.empty(0, np.float32)
        features = self.vectorizer.transform(texts).multiply(self.ratios).tocsr()
        return np.asarray(self.classifier.predict_proba(features)[:, 1], np.float32)


def _log_count_ratios(features: csr_matrix, targets: NDArray[np.int64]) -> NDArray[np.float64]:
    """log((1 + positives with f) / norm) - log((1 + negatives with f) / norm), for each feature f."""
    positive = 1.0 + np.asarray(features[targets == 1].sum(axis=0)).ravel()
    negative = 1.0 + np.asarray(features[targets == 0].sum(axis=0)).ravel()
    return np.asarray(np.log(positive / positive.sum()) - np.log(negative / negative.sum()), np.float64)
