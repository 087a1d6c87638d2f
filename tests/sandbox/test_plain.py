"""Values between two processes: what is sent arrives, and what is no value is refused."""

import collections
import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codetitan.sandbox.peer import Peer
from codetitan.sandbox.plain import NotPlainError, decode, encode, renew


def nothing(name: str) -> Any:
    raise NameError(name)


PEER = Peer(-1, nothing, hostile=True)


def sent(value: Any, *, subclasses: bool = False) -> Any:
    return decode(json.loads(json.dumps(encode(value, PEER, subclasses=subclasses))), PEER, builtin_functions=False)


atoms = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary() | st.complex_numbers(allow_nan=False)  # fmt: skip
hashable = atoms | st.tuples(atoms, atoms) | st.frozensets(st.integers())
values = st.recursive(
    hashable,
    lambda inner: st.lists(inner) | st.tuples(inner) | st.dictionaries(hashable, inner) | st.sets(hashable),
    max_leaves=8,
)


@given(values)
def test_what_is_sent_arrives(value: Any) -> None:
    arrived = sent(value)
    assert arrived == value and type(arrived) is type(value)
    if not isinstance(value, set | frozenset):
        assert repr(arrived) == repr(value) or "{" in repr(value)  # the order of sets


def test_numbers_at_the_edges() -> None:
    assert math.isnan(sent(math.nan)) and sent(-math.inf) == -math.inf and math.copysign(1, sent(-0.0)) == -1
    large = 7**20_000  # more digits than Python turns into text
    assert sent([large, -large, 2**53, -(2**53)]) == [large, -large, 2**53, -(2**53)]
    assert type(sent(True)) is bool and type(sent(1)) is int and type(sent(1.0)) is float


class Own(int):
    pass


@pytest.mark.parametrize("value", [object(), Own(1), collections.UserList(), type, Own, ValueError("x"), math])
def test_what_is_no_plain_value(value: Any) -> None:
    with pytest.raises(NotPlainError):
        sent([value])


def test_what_extends_a_plain_value_is_its_value() -> None:
    for value, plain in ((Own(3), 3), (collections.namedtuple("P", "x")(1), (1,)), (type("L", (list,), {})([1]), [1])):
        arrived = sent(value, subclasses=True)
        assert arrived == plain and type(arrived) is type(plain)


@given(st.recursive(st.none() | st.integers() | st.text(max_size=3), lambda inner: st.lists(inner) | st.fixed_dictionaries({"t": st.sampled_from(
    ["int", "set", "dict", "type", "builtin", "function", "iterator", "yours", "range", "Decimal", "bytes", "eval"]), "v": inner})))  # fmt: skip
def test_what_is_no_form_is_an_exception_and_nothing_else(form: Any) -> None:
    try:
        decode(form, PEER, builtin_functions=False)
    except Exception as error:
        assert not isinstance(error, NameError)


def test_builtin_functions_are_for_the_program_alone() -> None:
    form = encode(len, PEER, subclasses=False)
    assert decode(form, PEER, builtin_functions=True) is len
    with pytest.raises(KeyError):
        decode(form, PEER, builtin_functions=False)


def test_renewed_arguments_stay_the_same_objects() -> None:
    inner, other = [1], {"k": [1]}
    old = [inner, other, (inner,), {1}, bytearray(b"a"), 5]
    renew(old, [[1, 2], {"k": [2], "new": 1}, ([1, 2],), {2}, bytearray(b"b"), 6, 7])
    assert old == [[1, 2], {"k": [2], "new": 1}, ([1, 2],), {2}, bytearray(b"b"), 6, 7]
    assert old[0] is inner and old[1] is other
    renew(old, [])
    assert old == []
