"""Trains an encoder, first to predict masked pieces of all texts and then the labels of reviews, and queries it."""

import random
from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from training.expert.encoder import END, MASK, Encoder
from training.expert.pieces import Pieces, batches, crop, head_and_tail, stack, windows
from training.recipes import ExpertRecipe

OnStep = Callable[[int, int, Tensor], None]  # step from 1, number of steps, loss
_KEPT, _OTHER = 0.1, 0.1  # shares of the pieces to predict that stay as they are, or become another piece (BERT)


def learn_words(encoder: Encoder, rows: Sequence[Pieces], recipe: ExpertRecipe, seed: int, on_step: OnStep) -> None:
    """Learn to predict masked pieces of these texts from the pieces around them."""
    device, rng = _device(encoder), random.Random(seed)  # noqa: S311 (a shuffle, not a secret)
    torch.manual_seed(seed)
    parts = [part for row in rows for part in windows(row, recipe.word_window)]
    epochs = [list(batches(parts, recipe.batch_pieces, rng)) for _ in range(recipe.word_epochs)]
    descent = _Descent(encoder, recipe, recipe.word_peak_rate, sum(map(len, epochs)), on_step)
    encoder.train()
    for batch in (batch for epoch in epochs for batch in epoch):
        ids = stack([parts[row] for row in batch], device)
        shown, asked = hide(ids, recipe.masked_share, encoder.config.vocab_size)
        with _autocast(device):
            logits = encoder.piece_logits(encoder.states(shown)[asked])
            loss = functional.cross_entropy(logits, ids[asked])
        descent.step(loss)


def learn_labels(
    encoder: Encoder,
    rows: Sequence[Pieces],
    labels: NDArray[np.float32],
    recipe: ExpertRecipe,
    seed: int,
    on_step: OnStep,
) -> None:
    """Learn the labels (N,), 0 or 1, of whole reviews and of random parts of them."""
    device, rng = _device(encoder), random.Random(seed)  # noqa: S311 (a shuffle, not a secret)
    torch.manual_seed(seed)
    targets = torch.from_numpy(labels * (1 - recipe.label_smoothing) + recipe.label_smoothing / 2)
    views = [[_view(row, recipe, rng) for row in rows] for _ in range(recipe.label_epochs)]
    epochs = [list(batches(view, recipe.batch_pieces, rng, recipe.batch_reviews)) for view in views]
    descent = _Descent(encoder, recipe, recipe.label_peak_rate, sum(map(len, epochs)), on_step)
    encoder.train()
    for view, epoch in zip(views, epochs, strict=True):
        for batch in epoch:
            with _autocast(device):
                logits = encoder(stack([view[row] for row in batch], device))
            descent.step(functional.binary_cross_entropy_with_logits(logits.float(), targets[batch].to(device)))


@torch.inference_mode()
def ask(encoder: Encoder, rows: Sequence[Pieces], recipe: ExpertRecipe) -> NDArray[np.float32]:
    """Log-odds (N,) of P(positive) of texts; a long text is cut to its first and last pieces."""
    device = _device(encoder)
    cut = [head_and_tail(row, recipe.review_pieces) for row in rows]
    encoder.eval()
    logits = np.empty(len(cut), np.float32)
    for batch in batches(cut, recipe.batch_pieces):
        with _autocast(device):
            logits[batch] = encoder(stack([cut[row] for row in batch], device)).float().cpu().numpy()
    return logits


def hide(ids: Tensor, share: float, vocab_size: int) -> tuple[Tensor, Tensor]:
    """Mask a random `share` of ids (B, T): returns the masked ids, and which pieces to predict, both (B, T)."""
    asked = (torch.rand(ids.shape, device=ids.device) < share) & (ids > END)
    drawn = torch.rand(ids.shape, device=ids.device)
    shown = ids.masked_fill(asked & (drawn >= _KEPT + _OTHER), MASK)
    return torch.where(asked & (drawn < _OTHER), torch.randint_like(ids, MASK + 1, vocab_size), shown), asked


def _view(row: Pieces, recipe: ExpertRecipe, rng: random.Random) -> Pieces:
    if rng.random() >= recipe.crop_share:
        return head_and_tail(row, recipe.review_pieces)
    shortest, longest = np.log([recipe.shortest_crop, recipe.longest_crop])
    return crop(row, int(np.exp(rng.uniform(shortest, longest))), rng)


class _Descent:
    """AdamW over a known number of steps."""

    def __init__(self, encoder: Encoder, recipe: ExpertRecipe, peak: float, steps: int, on_step: OnStep) -> None:
        self._parameters = list(encoder.parameters())
        self._optimizer = torch.optim.AdamW(self._parameters, lr=peak, weight_decay=recipe.weight_decay, fused=True)
        self._recipe, self._peak, self._steps, self._done = recipe, peak, steps, 0
        self._on_step = on_step

    def step(self, loss: Tensor) -> None:
        for group in self._optimizer.param_groups:
            group["lr"] = self._recipe.rate(self._done / self._steps, self._peak)
        self._optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self._parameters, self._recipe.clip_norm)
        self._optimizer.step()
        self._done += 1
        self._on_step(self._done, self._steps, loss.detach())


def _device(encoder: Encoder) -> torch.device:
    return encoder.guess_bias.device


def _autocast(device: torch.device) -> torch.autocast:
    return torch.autocast(device.type, torch.bfloat16)
