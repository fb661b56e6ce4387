"""Encoders and decoders for 64x64 images, named after the papers that use them."""

from disent_bench.nets.conv64 import NETWORKS, Decoder, Encoder, build_network

__all__ = ["NETWORKS", "Decoder", "Encoder", "build_network"]
