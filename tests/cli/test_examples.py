"""The examples: what they do under python, and what raddle says about them."""

import collections
import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest
from ending import RADDLE, run

EXAMPLES = Path(__file__).parents[2] / "examples"


def test_two_transfers_hang_under_python():
    with pytest.raises(subprocess.TimeoutExpired):
        subprocess.run([sys.executable, EXAMPLES / "transfer.py"], timeout=2, check=False)


def test_two_transfers_are_told():
    ended = run([*RADDLE, "examples/transfer.py"], EXAMPLES.parent)
    assert ended.status == 70
    assert "error[RD001]: deadlock: 2 threads wait for each other\n" in ended.err
    told = ("'to-savings'", "'to-checking'", "Account.lock#1", "Account.lock#2")
    assert all(text in ended.err for text in told)


def test_a_worker_dies_and_main_goes_on():
    plain = run([sys.executable, "examples/worker.py"], EXAMPLES.parent)
    ours = run([*RADDLE, "--fail-on", "any", "examples/worker.py"], EXAMPLES.parent)
    assert (plain.status, plain.out) == (0, "total 20.70\n")
    assert (ours.status, ours.out) == (70, "total 20.70\n")
    assert "error[RD003]: 'adder' died: ValueError" in ours.err
    assert "'adder' was started by 'MainThread' here" in ours.err


def test_a_withdrawal_can_be_lost():
    """Each balance that the bank can end in is reached by letting one of the two run while the other one works."""
    spec = importlib.util.spec_from_file_location("bank", EXAMPLES / "bank.py")
    bank = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(bank)
    assert balance_if(bank, pause_in=None) == 5
    assert balance_if(bank, pause_in="deposit") == 15
    assert balance_if(bank, pause_in="withdrawal") == -5


def balance_if(bank, pause_in):
    account = bank.Account(5)
    other = {"deposit": account.withdraw, "withdrawal": account.deposit}
    seen = collections.Counter()

    def book(what, amount):
        seen[what] += 1
        if what == pause_in and seen[what] == 1:
            other[what](amount)

    bank.book = book
    account.withdraw(10) if pause_in == "withdrawal" else account.deposit(10)
    if pause_in is None:
        account.withdraw(10)
    return account.balance


def test_the_bank_runs_as_a_program():
    ended = run([sys.executable, "examples/bank.py"], EXAMPLES.parent)
    assert ended.out in ("balance 5\n", "balance 15\n", "balance -5\n")
