"""The one training loop of every method that is a game of sums of terms."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal

import lightning
import torch
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from torch import Tensor, nn

from disent_bench.bottlenecks.bottleneck import Bottleneck
from disent_bench.bottlenecks.gaussian import Gaussian
from disent_bench.capture import Capture
from disent_bench.forward import Pass, Rule
from disent_bench.host import sharing
from disent_bench.nets import build_network
from disent_bench.objective import Objective, all_terms
from disent_bench.parts import in_parts, in_parts_only, is_per_image, rows_for
from disent_bench.players import Optimizer, Played, check_needs, gather, play
from disent_bench.registry import BOTTLENECKS
from disent_bench.streams import Stream, seeded_apart
from disent_bench.weights import Share


class NonFiniteLossError(RuntimeError):
    """The loss became NaN or infinite."""


@dataclass(frozen=True)
class Training(Optimizer):
    """Settings of the optimisation that every method shares; defaults are those of Locatello et al. 2019.

    Attributes:
        network: name of an encoder-decoder pair (`disent_bench.nets`).
        latent_dim: number of latents.
        precision: ``"bf16"`` computes the networks in bfloat16 (weights, terms and optimiser stay float32), ``"32"`` in
            float32, ``"tf32"`` with inputs of convolutions rounded to the 10 bits of TF32, on NVIDIA's GPUs alone;
            ``"auto"`` takes bfloat16 where the processor computes it natively, else float32.
    """

    network: str = "locatello2019"
    latent_dim: int = 10
    precision: Literal["auto", "bf16", "tf32", "32"] = "auto"

    @property
    def of_optimizer(self) -> Optimizer:
        """The part that the model's optimiser reads."""
        return Optimizer(**{each.name: getattr(self, each.name) for each in fields(Optimizer)})


def resolve_precision(precision: str, device: torch.device | None = None) -> str:
    """Turn ``"auto"`` into ``"bf16"`` or ``"32"``, by what the device, a CPU if None, computes natively.

    Raises:
        ValueError: if the device has no TF32 that was asked for.
    """
    if precision == "tf32" and (device is None or device.type != "cuda"):
        raise ValueError("precision=tf32 is of NVIDIA GPUs; take bf16 or 32 on other devices")
    if precision != "auto":
        return precision
    if device is not None and device.type == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "32"
    return "bf16" if torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported() else "32"


class DisentModule(lightning.LightningModule):
    """An autoencoder trained on an `Objective` and those of its opponents, with manual optimisation.

    There is a decoder if some term needs one; else ``decoder`` is None.

    Batches offer ``images``, float ``(b, c, h, w)`` in [0, 1], and ``second`` (images again, or None): a second,
    independent batch, or the partners of the first if the data are pairs.

    In a plain `lightning.Trainer` it trains on one device, in the precision and with the clipping of ``training``.
    ``loss``, ``raw/...`` and ``weighted/...`` are logged every ``log_every`` steps, on validation batches
    ``val/reconstruction_mse``. Checkpoints load with ``DisentModule.load_from_checkpoint``; the arguments are kept in
    ``hparams`` as plain data.

    Args:
        objective: of the model, or its `disent_bench.objective.Objective.settings`.
        image_shape: ``(channels, height, width)``.
        n_train: number of images in the training set.
        training: settings of networks and optimisation, or a mapping of them.
        log_every: steps between two logged lines.
        bottleneck: between encoder and latents, a Gaussian posterior if None; or its ``name`` and settings.
        data: what the batches offer beside images, ``"second"`` or ``"pair"``.
        gradient_shares: log how long each term's gradient is relative to the reconstruction's, every ``log_every``
            steps.

    Raises:
        ValueError: if the network does not fit the images, or a term needs what is not there.
    """

    clock: Tensor

    def __init__(
        self,
        objective: Objective | Mapping[str, Mapping[str, Any]],
        image_shape: tuple[int, int, int],
        n_train: int,
        training: Training | Mapping[str, Any] | None = None,
        log_every: int = 50,
        bottleneck: Bottleneck | Mapping[str, Any] | None = None,
        data: Iterable[str] = ("second",),
        gradient_shares: bool = False,
    ) -> None:
        super().__init__()
        self.automatic_optimization = False
        if not isinstance(objective, Objective):
            objective = Objective.from_settings(objective)
        if not isinstance(bottleneck, Bottleneck):
            given = {"name": Gaussian.name, **(bottleneck or {})}
            built: Bottleneck = BOTTLENECKS[given.pop("name")].factory(**given)
            bottleneck = built
        self.training_settings = training if isinstance(training, Training) else Training(**(training or {}))
        self.bottleneck: Bottleneck = bottleneck
        settings, data = self.training_settings, sorted(data)
        self.encoder, decoder = build_network(
            settings.network, image_shape, settings.latent_dim, self.bottleneck.num_features(settings.latent_dim)
        )
        offers = {*data, *({"decoder"} if decoder is not None else ())}
        offers |= {"activations"} if hasattr(decoder, "activations") else set()
        check_needs(objective, self.bottleneck, offers)
        self.needs = self.bottleneck.needs.union(*(term.needs for term in all_terms(objective)))
        self.decoder = decoder if "decoder" in self.needs else None
        with seeded_apart("setup of the bottleneck"):
            self.bottleneck.setup(image_shape, settings.latent_dim)
        objective.setup(image_shape, settings.latent_dim)
        networks = {"encoder": [*self.encoder.parameters(), *self.bottleneck.parameters()]}
        if self.decoder is not None:
            networks["decoder"] = [*self.decoder.parameters()]
        self.players = gather(objective, networks, settings.of_optimizer)
        self._players = nn.ModuleList(self.players)  # so that their state is saved and moved
        self.noise_of_second = Stream("second batch")
        self._rows_of_part = rows_for(*image_shape[1:])
        self.n_train = n_train
        self.log_every = log_every
        self.gradient_shares = gradient_shares
        self.step = 0
        self.register_buffer("clock", torch.zeros((), dtype=torch.int64), persistent=False)
        self.last: Mapping[str, Tensor] = {}
        self.capture: Capture | None = None  # see there; in a plain Trainer, steps are taken one by one
        arguments = {
            "objective": objective.settings(),
            "image_shape": list(image_shape),
            "n_train": n_train,
            "training": asdict(settings),
            "log_every": log_every,
            "bottleneck": {"name": bottleneck.name, **bottleneck.settings()},
            "data": data,
            "gradient_shares": gradient_shares,
        }
        self.save_hyperparameters(arguments, logger=False)

    @property
    def objective(self) -> Objective:
        """What the model lowers."""
        return self.players[0].objective

    def get_extra_state(self) -> dict[str, Any]:
        """The step, which schedules depend on, and the last measurements, which weights may."""
        return {"step": self.step, "last": dict(self.last)}

    def set_extra_state(self, state: dict[str, Any]) -> None:
        """Restore step and measurements."""
        self.step, self.last = state["step"], state["last"]
        self.clock.fill_(self.step)

    def configure_optimizers(self) -> list[torch.optim.Optimizer]:
        """One optimiser for each player, the model's first."""
        return [player.configure_optimizer() for player in self.players]

    def setup(self, stage: str) -> None:
        """Refuse what a step of several players cannot do in a trainer.

        Raises:
            MisconfigurationException: if the trainer has several devices or a precision of its own.
        """
        if stage == "fit" and self.trainer.world_size > 1:
            raise MisconfigurationException(
                f"a DisentModule trains on one device, not {self.trainer.world_size}: its terms compare the images of "
                "a whole batch; use Trainer(devices=1), and processes side by side for several seeds"
            )
        if stage == "fit" and self.trainer.precision != "32-true":
            raise MisconfigurationException(
                f"a DisentModule chooses its precision by Training(precision=...), not Trainer({self.trainer.precision}"
                "): its terms are computed in float32"
            )

    def forward(self, images: Tensor) -> Tensor:
        """Return the codes of images ``(b, c, h, w)`` in [0, 1], as `encode` does."""
        return self.encode(images)

    def features(self, images: Tensor) -> Tensor:
        """Return what the encoder makes of images ``(b, c, h, w)`` in [0, 1]."""
        return self._computed(self.encoder, lambda rows: (self.encoder(rows),), images)[0]

    def decode_logits(self, z: Tensor) -> Tensor:
        """Return logits of latents ``(b, latent)``, in float32; not for an objective without a decoder."""
        return self._computed(self.decoder, lambda rows: (self.decoder(rows).float(),), z)[0]  # type: ignore[misc]

    def activations(self, z: Tensor) -> list[Tensor]:
        """Return what leaves each hidden layer of the decoder at latents ``(b, latent)``, in float32."""
        layers: Callable[[Tensor], list[Tensor]] = self.decoder.activations  # type: ignore[union-attr, assignment]
        return list(self._computed(self.decoder, lambda rows: tuple(layer.float() for layer in layers(rows)), z))

    def _computed(
        self, network: nn.Module | None, function: Callable[[Tensor], tuple[Tensor, ...]], rows: Tensor
    ) -> tuple[Tensor, ...]:
        """Return what a function of a network makes of a batch; in parts, if that is the same."""
        assert network is not None

        def compute(rows: Tensor) -> tuple[Tensor, ...]:
            with self._autocast():
                return function(rows)

        if is_per_image(network):
            return in_parts(compute, rows, network.parameters(), self._rows_of_part)
        return compute(rows)

    def encode(self, images: Tensor) -> Tensor:
        """Return the codes that are scored, ``(b, latent)``: what the bottleneck says, mostly posterior means."""
        return self.bottleneck.encode(self.features(images))

    def decode(self, codes: Tensor) -> Tensor:
        """Return pixel values in [0, 1], shape ``(b, c, h, w)``: probabilities, or means of a Gaussian likelihood."""
        return torch.sigmoid(self.decode_logits(codes))

    def run_pass(self, images: Tensor, second: Tensor | None = None) -> Pass:
        """Return the pass over a batch, which computes what the terms read when they read it.

        Args:
            images: ``(b, c, h, w)`` in [0, 1].
            second: an independent batch, or the partners of ``images`` if the bottleneck takes pairs.
        """
        if "pair" in self.bottleneck.needs:
            assert second is not None, "a bottleneck of pairs takes the second image of each"
            return self._pass(torch.cat([images, second]))
        other = None if second is None else self._pass(second, self.noise_of_second.on(second.device))
        return self._pass(images, second=other)

    def _pass(self, images: Tensor, generator: torch.Generator | None = None, second: Pass | None = None) -> Pass:
        rules: dict[str, Rule] = {"features": lambda p: self.features(p.x), **self.bottleneck.rules()}
        if hasattr(self.decoder, "latent_norms"):
            rules["latent_norms"] = lambda p: self.decoder.latent_norms().detach()  # type: ignore[union-attr, operator]
        return Pass(
            x=images,
            decode=None if self.decoder is None else self.decode_logits,
            activations=self.activations if hasattr(self.decoder, "activations") else None,
            encode=self._encode_posterior if "posterior" in self.bottleneck.offers else None,
            step=self.clock,
            n_train=self.n_train,
            second=second,
            last=self.last,
            generator=generator,
            rules=rules,
        )

    def _encode_posterior(self, images: Tensor) -> tuple[Tensor, Tensor]:
        posterior: tuple[Tensor, Tensor] = self.bottleneck.posterior(self.features(images))  # type: ignore[operator]
        return posterior

    def play(self, p: Pass, optimizers: list[torch.optim.Optimizer]) -> list[Played]:
        """Let every player take a step on a pass; afterwards schedules stand at the next step."""
        with in_parts_only() if self._is_of_parts else nullcontext(), self._rounded_convolutions():
            played = play(self.players, p, optimizers, self.step, self._shares_wanted())
        measured = self._measured(played)
        self.last = {name: value.detach() for name, value in measured.items() if isinstance(value, Tensor)}
        self.step += 1
        self.clock += 1
        return played

    @property
    def _is_of_parts(self) -> bool:
        """Whether nearly all that a step computes is computed in parts of the batch."""
        networks = [each for each in (self.encoder, self.decoder) if each is not None]
        heavy = any(term.heavy for term in all_terms(self.objective))
        return self.device.type == "cpu" and all(map(is_per_image, networks)) and not heavy

    def _shares_wanted(self) -> bool:
        """Whether the shares of gradients are measured in the step to come: to be logged, or for a weight."""
        logged = self.gradient_shares and (self.step + 1) % self.log_every == 0
        weights = [term.weight for term in self.objective]
        return logged or any(isinstance(each, Share) and self.step % each.every == 0 for each in weights)

    def training_step(self, batch: Any, batch_idx: int) -> None:
        """Take one step of every player and, every ``log_every`` steps, log it and check that it is finite.

        A batch that offers ``steps()``, such as `disent_datasets.datamodule.Block`, is of several steps.
        """
        for each in batch.steps() if hasattr(batch, "steps") else (batch,):
            played = self._take_step(each)
            if self.step % self.log_every == 0:
                sharing().before_waiting()
                self._log(played)
            else:
                sharing().between_steps()

    def _take_step(self, batch: Any) -> list[Played]:
        second = batch.second if {"second", "pair"} & self.needs else None
        optimizers = self.optimizers()
        listed: list[Any] = optimizers if isinstance(optimizers, list) else [optimizers]
        if self.capture is None:
            return self.play(self.run_pass(batch.images, second), listed)
        return self.capture.step(self, batch.images, second, listed)

    def validation_step(self, batch: Any, batch_idx: int) -> None:
        """Log how well images are reconstructed from their codes: squared error, summed over pixels, mean of images."""
        if self.decoder is not None:
            error = (self.decode(self.encode(batch.images)) - batch.images).square().flatten(1).sum(1).mean()
            self.log("val/reconstruction_mse", error, batch_size=len(batch.images))

    def _measured(self, played: list[Played]) -> dict[str, float | Tensor]:
        values: dict[str, float | Tensor] = {}
        for player, moved in zip(self.players, played, strict=True):
            for name, part in moved.parts.items():
                term = player.objective[name]
                values[name] = part.raw
                measured = {**term.weight.measurements(), **term.measurements()}
                values |= {f"{name}/{key}": value for key, value in measured.items()}
            values |= {f"{name}/gradient_share": share for name, share in moved.shares.items()}
        return values

    def _log(self, played: list[Played]) -> None:
        values: dict[str, float] = {}
        for player, moved in zip(self.players, played, strict=True):
            values |= {f"raw/{name}": float(part.raw.detach()) for name, part in moved.parts.items()}
            values |= {f"weighted/{name}": float(part.weighted.detach()) for name, part in moved.parts.items()}
            values["loss" if player is self.players[0] else f"loss/{player.name}"] = float(moved.loss)
            values |= {f"gradient_cosine/{name}": float(value) for name, value in moved.cosines.items()}
        broken = [name for name, value in values.items() if not math.isfinite(value)]
        if broken:
            raise NonFiniteLossError(f"{', '.join(broken)} not finite at step {self.step}")
        values |= {name: float(value) for name, value in self._measured(played).items() if "/" in name}
        for player in self.players:
            if skipped := int(player.skipped):
                values[f"skipped_steps/{player.name}"] = float(skipped)
            for term in player.objective:
                if skipped := int(term.skipped):
                    values[f"{term.name}/skipped_steps"] = float(skipped)
        for logger in self.loggers:  # at the step counted here; Lightning's own counts each player's
            logger.log_metrics(values, step=self.step)
        self.log_dict(values, logger=False, on_step=True, on_epoch=False)

    def skipped(self) -> dict[str, int]:
        """Return how many steps each term was left out of, by its name, where it was; also whole steps, by player."""
        terms = {term.name: int(term.skipped) for term in all_terms(self.objective)}
        whole = {f"every term of {player.name}": int(player.skipped) for player in self.players}
        return {name: count for name, count in (terms | whole).items() if count}

    @contextmanager
    def _rounded_convolutions(self) -> Iterator[None]:
        """Let convolutions, forward and backward, take TF32 within if that was asked for; products stay as they are."""
        before = torch.backends.cudnn.allow_tf32
        if resolve_precision(self.training_settings.precision, self.device) == "tf32":
            torch.backends.cudnn.allow_tf32 = True
        try:
            yield
        finally:
            torch.backends.cudnn.allow_tf32 = before

    def _autocast(self) -> torch.autocast:
        # Codes that are scored and images that are looked at are computed in float32.
        enabled = self.training and resolve_precision(self.training_settings.precision, self.device) == "bf16"
        return torch.autocast(self.device.type, torch.bfloat16, enabled=enabled)
