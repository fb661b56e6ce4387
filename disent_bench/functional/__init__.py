"""Tensor mathematics under the terms: plain functions that know no network, data set or trainer."""
