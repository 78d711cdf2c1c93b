"""The training loop of the engines on torch: AdamW over what learns, step by step, and its state.

An engine hands in a `Trainable`. Batches, rates and dropout are functions of seed and step, so that a
training that goes on from a saved state ends with the bytes it would have ended with.
"""

from __future__ import annotations

import math
from dataclasses import astuple, dataclass
from typing import TYPE_CHECKING, Any, Generic, Literal, NoReturn, Protocol, TypeVar

from labeltune.errors import TrainingRefusedError
from labeltune.local.engines import Kept, Step
from labeltune.local.engines.neural.batches import epoch_batches, learning_rate, micro_batches, step_seed
from labeltune.local.engines.neural.processes import Processes, join

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import torch

    from labeltune.local.engines.neural.device import Device

__all__ = ["Group", "Loop", "Loss", "Plan", "Trainable"]

E = TypeVar("E")

_VALIDATIONS = 100
"""How many steps of a run report a validation batch."""
_DIVERGED = 1_000.0
"""A training whose loss is so many times the lowest one before, or 1 if that is more, runs away."""
_VALIDATION_BATCH = 32
"""At least so many examples are in one."""


@dataclass(frozen=True, slots=True)
class Loss:
    """What a model makes of some examples, added up over them."""

    objective: torch.Tensor
    """What is to be made small; of shape ()."""
    nats: torch.Tensor
    """The negative log-likelihood of their answers, unweighted; of shape (), without a gradient."""
    right: int
    decisions: int


@dataclass(frozen=True, slots=True)
class Group:
    """Weights that learn alike."""

    parameters: Mapping[str, torch.nn.Parameter]
    rate: float = 1.0
    """Times the plan's learning rate."""
    weight_decay: float = 0.0


class Trainable(Protocol[E]):
    """A model with its examples."""

    @property
    def module(self) -> torch.nn.Module:
        """All that is put into the mode of learning or of answering."""
        ...

    @property
    def training(self) -> Sequence[E]:
        """What is learnt from; at least one."""
        ...

    @property
    def validation(self) -> Sequence[E]:
        """What is measured by; may be none."""
        ...

    def length(self, example: E) -> int:
        """How many tokens the model reads of an example while it learns."""
        ...

    def groups(self) -> Sequence[Group]:
        """What learns, always in the same order, under names that are unique."""
        ...

    def loss(self, examples: Sequence[E]) -> Loss:
        """The loss of at least one example; called within autocast, with the module in the right mode."""
        ...


@dataclass(frozen=True, slots=True)
class Plan:
    """How to learn."""

    n_epochs: int
    batch_size: int
    learning_rate: float
    seed: int
    micro_tokens: int
    """Tokens of a micro-batch, padding counted; gradients of a batch's micro-batches are added up."""
    decay: Literal["linear", "cosine"] = "linear"
    warm_up: float = 0.1
    clip: float = 1.0
    """The norm that a step's gradient is cut to."""
    patience: int = 2
    """Training ends when the loss of the whole validation file has been above its lowest for so many epochs
    in a row."""


class Loop(Generic[E]):
    """A training under way: iterate over it; between two steps its `state` can be saved.

    With a validation file the weights at the end are those of the epoch with the lowest loss on it.
    """

    def __init__(self, model: Trainable[E], plan: Plan, device: Device) -> None:
        import torch

        self._model, self._plan, self._device = model, plan, device
        self.processes: Processes = join(device)
        self._groups = list(model.groups())
        self._parameters = {name: p for group in self._groups for name, p in group.parameters.items()}
        self._lengths = [model.length(example) for example in model.training]
        self._valid_lengths = [model.length(example) for example in model.validation]
        self._per_epoch = -(-len(model.training) // plan.batch_size)
        self._optimiser = torch.optim.AdamW(
            [
                {
                    "params": list(group.parameters.values()),
                    "lr": plan.learning_rate * group.rate,
                    "weight_decay": group.weight_decay,
                }
                for group in self._groups
            ],
            # One pass over the weights instead of a dozen: a quarter of a small model's time on a processor.
            fused=device.kind != "mps",
        )
        self.step = 0
        self.total_steps = plan.n_epochs * self._per_epoch
        self._best: dict[str, torch.Tensor] = {}
        self._best_loss = math.inf
        self._kept: Kept | None = None
        self._lowest = math.inf
        self._worse = 0
        self._batches: tuple[int, list[list[int]]] = (-1, [])

    @property
    def finished(self) -> bool:
        """Whether there is no step left."""
        return self.step >= self.total_steps

    def __iter__(self) -> Iterator[Step]:
        """Train; see `Run`."""
        every = max(1, self.total_steps // _VALIDATIONS)
        while not self.finished:
            epoch, place = divmod(self.step, self._per_epoch)
            batch = self._batch(epoch, place)
            loss, accuracy = self._learn(batch)
            self.step += 1
            epoch_end = place + 1 == self._per_epoch
            valid: dict[str, float] = {}
            if self._model.validation and (epoch_end or self.step % every == 0):
                some = self._validation_batch(self.step // every)
                valid["valid_loss"], valid["valid_accuracy"] = self._validate(some)
            if self._model.validation and epoch_end:
                whole = range(len(self._model.validation))
                valid["full_valid_loss"], valid["full_valid_accuracy"] = self._validate(whole)
                self._compare(Kept(epoch + 1, valid["full_valid_loss"], valid["full_valid_accuracy"]))
            yield Step(
                step=self.step,
                total_steps=self.total_steps,
                epoch=epoch + 1,
                train_loss=loss,
                train_accuracy=accuracy,
                epoch_end=epoch_end,
                rows=len(batch),
                kept=self._kept if self.finished else None,
                **valid,
            )

    def _batch(self, epoch: int, place: int) -> list[int]:
        if self._batches[0] != epoch:
            plan = self._plan
            found = epoch_batches(self._lengths, size=plan.batch_size, seed=plan.seed, epoch=epoch)
            self._batches = (epoch, found)
        return self._batches[1][place]

    def _learn(self, batch: Sequence[int]) -> tuple[float, float]:
        """One step of the optimiser. Returns loss and accuracy before it, of the whole batch."""
        import torch

        plan, model = self._plan, self._model
        torch.manual_seed(step_seed(plan.seed, self.step, self.processes.rank))
        model.module.train()
        self._optimiser.zero_grad(set_to_none=True)
        totals = [0.0, 0.0, 0.0]
        with _memory_errors():
            for part in micro_batches(self.processes.share(batch), self._lengths, plan.micro_tokens):
                with self._device.autocast():
                    loss = model.loss([model.training[number] for number in part])
                torch.autograd.backward(loss.objective / len(batch))
                totals = _added(totals, loss)
            self.processes.sum_gradients(self._parameters.values())
        nats, right, decisions = self.processes.sum(totals, self._device)
        norm = torch.nn.utils.clip_grad_norm_(self._parameters.values(), plan.clip)
        self._check(nats / len(batch), float(norm))
        share = learning_rate(self.step, self._planned_steps, warm_up=plan.warm_up, decay=plan.decay)
        for group, settings in zip(self._groups, self._optimiser.param_groups, strict=True):
            settings["lr"] = plan.learning_rate * group.rate * share
        self._optimiser.step()
        return nats / len(batch), right / decisions

    def _check(self, loss: float, norm: float) -> None:
        """Raise `TrainingRefusedError` where nothing is learnt any more."""
        if not (math.isfinite(loss) and math.isfinite(norm)):
            self._refuse("is not finite any more")
        self._lowest = min(self._lowest, max(loss, 1.0))
        if loss > _DIVERGED * self._lowest:
            self._refuse(f"has grown to {loss:,.0f}")

    def _refuse(self, what: str) -> NoReturn:
        raise TrainingRefusedError(
            f"the loss {what} after {self.step} steps",
            hint="use a smaller learning-rate multiplier, or precision=float32",
        )

    @property
    def _planned_steps(self) -> int:
        return self._plan.n_epochs * self._per_epoch

    def _validation_batch(self, number: int) -> Sequence[int]:
        size = max(self._plan.batch_size, _VALIDATION_BATCH)
        count = -(-len(self._model.validation) // size)
        start = number % count * size
        return range(start, min(start + size, len(self._model.validation)))

    def _validate(self, numbers: Sequence[int]) -> tuple[float, float]:
        """Loss and accuracy of validation examples."""
        import torch

        model = self._model
        model.module.eval()
        totals = [0.0, 0.0, 0.0]
        parts = micro_batches(self.processes.share(numbers), self._valid_lengths, self._plan.micro_tokens)
        with torch.inference_mode(), _memory_errors():
            for part in parts:
                with self._device.autocast():
                    totals = _added(totals, model.loss([model.validation[number] for number in part]))
        nats, right, decisions = self.processes.sum(totals, self._device)
        return nats / len(numbers), right / decisions

    def _compare(self, now: Kept) -> None:
        """Keep the best weights; end here, with them, if there is no sense in going on."""
        if not math.isfinite(now.full_valid_loss):
            self._refuse("of the validation file is not finite any more")
        if now.full_valid_loss < self._best_loss:
            self._best_loss, self._kept, self._worse = now.full_valid_loss, now, 0
            self._best = {name: p.detach().to("cpu", copy=True) for name, p in self._parameters.items()}
        else:
            self._worse += 1
        if self._worse >= self._plan.patience:
            self.total_steps = self.step
        if self.finished:
            self._put(self._best)
            self._best = {}

    def _put(self, weights: Mapping[str, torch.Tensor]) -> None:
        import torch

        with torch.no_grad():
            for name, parameter in self._parameters.items():
                parameter.copy_(weights[name])

    def weights(self) -> dict[str, torch.Tensor]:
        """What learns, by name, as it is now."""
        return {name: parameter.detach() for name, parameter in self._parameters.items()}

    def state(self) -> tuple[dict[str, Any], dict[str, torch.Tensor]]:
        """What it takes to go on beside `weights`: JSON values, and tensors; none when all is done."""
        values = {
            "step": self.step,
            "total_steps": self.total_steps,
            "best_loss": self._best_loss if math.isfinite(self._best_loss) else None,
            "worse": self._worse,
            "kept": None if self._kept is None else astuple(self._kept),
            "lowest": self._lowest if math.isfinite(self._lowest) else None,
        }
        if self.finished:
            return values, {}
        tensors = {f"best.{name}": tensor for name, tensor in self._best.items()}
        for name, parameter in self._parameters.items():
            for key, value in self._optimiser.state.get(parameter, {}).items():
                tensors[f"adam.{name}.{key}"] = value
        return values, tensors

    def restore(
        self,
        values: Mapping[str, Any],
        tensors: Mapping[str, torch.Tensor],
        weights: Mapping[str, torch.Tensor],
    ) -> None:
        """Go on from what `state` and `weights` gave."""
        self.step, self.total_steps = values["step"], values["total_steps"]
        self._best_loss = math.inf if values["best_loss"] is None else values["best_loss"]
        self._worse = values["worse"]
        # Trainings that an earlier version began know neither.
        self._kept = Kept(*values["kept"]) if values.get("kept") else None
        self._lowest = values.get("lowest") or math.inf
        self._put(weights)
        self._best = {
            name.removeprefix("best."): tensor for name, tensor in tensors.items() if name.startswith("best.")
        }
        for name, parameter in self._parameters.items():
            found: dict[str, torch.Tensor] = {}
            for key in ("step", "exp_avg", "exp_avg_sq"):
                tensor = tensors.get(f"adam.{name}.{key}")
                if tensor is not None:
                    # Adam counts its steps on the processor, whatever the weights are on.
                    found[key] = tensor.clone() if key == "step" else tensor.to(parameter.device, copy=True)
            if found:
                self._optimiser.state[parameter] = found


def _added(totals: Sequence[float], loss: Loss) -> list[float]:
    return [totals[0] + float(loss.nats), totals[1] + loss.right, totals[2] + loss.decisions]


class _memory_errors:  # noqa: N801  (used like a function)
    """Turns torch's own error of a GPU that is full into Python's."""

    def __enter__(self) -> None: ...

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: object) -> None:
        if kind is not None and kind.__name__ == "OutOfMemoryError":
            raise MemoryError(str(error)) from error
