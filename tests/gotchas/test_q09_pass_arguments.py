"""Question 9: passing arguments. What does not fit is told by the constructor, with the caller's line."""

import functools

import pytest
import raddle
from test_q08_create_a_thread import here


def two(first, second=2, *, third=3):
    return first, second, third


def test_a_number_in_the_place_of_the_arguments():
    line = here()
    with pytest.raises(TypeError) as told:
        raddle.Thread(target=two, args=(6))
    assert str(told.value) == f"args must be a sequence of arguments, got int 6 (write args=(6,)), at {line}"


@pytest.mark.parametrize("text", ["abc", b"abc"])
def test_a_string_is_not_taken_for_its_letters(text):
    with pytest.raises(TypeError) as told:
        raddle.Thread(target=two, args=text)
    expected = f"args must be a sequence of arguments, got {type(text).__name__} {text!r} (write args=({text!r},))"
    assert str(told.value).startswith(expected)


@pytest.mark.parametrize("args", [(), (1, 2, 3)])
def test_the_wrong_number_of_arguments(args):
    line = here()
    with pytest.raises(TypeError) as told:
        raddle.Thread(target=two, args=args)
    assert str(told.value).startswith("two(first, second=2, *, third=3) cannot be called so: ")
    assert str(told.value).endswith(f"(at {line})")


def test_wrong_keyword_arguments():
    with pytest.raises(TypeError, match="unexpected keyword argument 'fourth'"):
        raddle.Thread(target=two, args=(1,), kwargs={"fourth": 4})
    with pytest.raises(TypeError, match="kwargs must be a mapping of names to arguments, got list"):
        raddle.Thread(target=two, args=(1,), kwargs=["third"])


def test_what_fits_is_passed():
    assert raddle.Thread(target=two, args=[1], kwargs={"third": 5}).start().result() == (1, 2, 5)
    assert raddle.Thread(target=two, args=iter((1, 9))).start().result() == (1, 9, 3)
    assert raddle.spawn(two, 1, 8).result() == (1, 8, 3)
    assert raddle.spawn(functools.partial(two, third=7), 1).result() == (1, 2, 7)
    assert raddle.spawn("abc".upper).result() == "ABC"
    assert raddle.spawn(lambda *all: all, 1, 2, 3).result() == (1, 2, 3)


def test_what_does_not_say_its_arguments_is_not_checked():
    assert raddle.spawn(max, 1, 2).result() == 2
    assert raddle.spawn(dict).result() == {}


def test_the_options_of_spawn_are_those_of_thread():
    with pytest.raises(TypeError, match="unexpected keyword argument 'colour'"):
        raddle.spawn(two, 1, colour="red")
    with pytest.raises(TypeError, match="timeout is for the wait for a slot"):
        raddle.spawn(two, 1, timeout=3)
