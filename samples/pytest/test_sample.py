"""Tests that pass, fail, die and hang, chosen by a filter."""

import os
import time

import pytest


def test_passes_adds():
    assert 2 + 2 == 4


@pytest.mark.skip(reason="not yet")
def test_passes_later():
    pass


def test_fails_right():
    pass


def test_fails_wrong():
    assert 2 + 2 == 5, "sums are hard"


def test_crashes():
    os.abort()


def test_hangs_first():
    pass


def test_hangs_forever():
    time.sleep(1000)
