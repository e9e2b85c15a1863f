"""A reader of pickles as data: it interprets the opcodes of plain containers and can neither import nor call."""

import pickletools
import warnings
from collections.abc import Callable, Mapping
from typing import Any

from hrm_model._errors import HRMModelError
from hrm_model.untrusted import shortened

Function = Callable[..., Any]

_MOST_BYTES = 2 * 2**20  # a list of weights takes kilobytes; a megabyte of opcodes takes seconds
_MARK = object()


class _Named:
    """A name in a pickle that is on the list of allowed names."""

    def __init__(self, name: str, function: Function) -> None:
        self.name, self.function = name, function


def read_pickle(data: bytes, named: Mapping[str, Function], persistent: Function) -> Any:
    """Return the content of a pickle: dicts, lists, tuples, strings, numbers and results of `named`.

    Python's own unpickler is not safe here: it allocates memory for sizes that a file only claims, and it sets
    attributes of the objects that it is allowed to find.

    Args:
        data: The pickle, protocol 0 to 5.
        named: The names that the pickle may use, as `module.name`, and the function to call instead of each.
        persistent: Called with the persistent id of an object that is stored elsewhere.

    Raises:
        HRMModelError: If the pickle is damaged, uses another name or does anything else.
    """
    if len(data) > _MOST_BYTES:
        raise HRMModelError(f"its pickle has {len(data):,} bytes, more than any list of weights needs")
    machine = _Machine(named, persistent)
    try:
        with warnings.catch_warnings(action="ignore"):  # of escapes in damaged strings
            for opcode, argument, _ in pickletools.genops(data):
                if opcode.name == "STOP":
                    (result,) = machine.stack
                    return result
                machine.do(opcode.name, argument)
        raise HRMModelError("its pickle does not end")
    except HRMModelError:
        raise
    except (ValueError, TypeError, LookupError, OverflowError, AttributeError) as error:
        raise HRMModelError(f"its pickle is damaged ({shortened(error)})") from error


class _Machine:
    def __init__(self, named: Mapping[str, Function], persistent: Function) -> None:
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}
        self.named, self.persistent = named, persistent

    def do(self, name: str, argument: Any) -> None:
        """Execute one opcode."""
        stack, pop = self.stack, self.stack.pop
        match name:
            case "PROTO" | "FRAME":
                pass
            case "NONE" | "NEWTRUE" | "NEWFALSE":
                stack.append({"NONE": None, "NEWTRUE": True, "NEWFALSE": False}[name])
            case "INT" | "BININT" | "BININT1" | "BININT2" | "LONG1" | "BINFLOAT":
                stack.append(argument)
            case "UNICODE" | "BINUNICODE" | "SHORT_BINUNICODE" | "BINUNICODE8":
                stack.append(argument)
            case "MARK":
                stack.append(_MARK)
            case "EMPTY_TUPLE" | "EMPTY_LIST" | "EMPTY_DICT":
                stack.append({"EMPTY_TUPLE": (), "EMPTY_LIST": [], "EMPTY_DICT": {}}[name])
            case "TUPLE1" | "TUPLE2" | "TUPLE3":
                count = int(name[-1])
                if len(stack) < count:
                    raise ValueError("a tuple is short of items")
                stack[-count:] = [tuple(stack[-count:])]
            case "TUPLE":
                stack.append(tuple(self._since_mark()))
            case "LIST":
                stack.append(self._since_mark())
            case "DICT":
                self._set_items({}, self._since_mark())
            case "APPEND":
                item = pop()
                self._top(list).append(item)
            case "APPENDS":
                items = self._since_mark()
                self._top(list).extend(items)
            case "SETITEM":
                value, key = pop(), pop()
                self._set_items(self._take(dict), [key, value])
            case "SETITEMS":
                items = self._since_mark()
                self._set_items(self._take(dict), items)
            case "PUT" | "BINPUT" | "LONG_BINPUT":
                self.memo[int(argument)] = stack[-1]
            case "MEMOIZE":
                self.memo[len(self.memo)] = stack[-1]
            case "GET" | "BINGET" | "LONG_BINGET":
                stack.append(self.memo[int(argument)])
            case "GLOBAL":
                stack.append(self._find(*argument.split(" ", 1)))
            case "STACK_GLOBAL":
                attribute, module = pop(), pop()
                stack.append(self._find(module, attribute))
            case "REDUCE":
                arguments, named = pop(), pop()
                if not isinstance(named, _Named) or not isinstance(arguments, tuple):
                    raise HRMModelError("its pickle calls something that is neither a tensor nor a plain container")
                stack.append(named.function(*arguments))
            case "BUILD":  # attributes of an OrderedDict; torch keeps versions of modules there
                pop()
                self._top(dict)
            case "BINPERSID":
                stack.append(self.persistent(pop()))
            case _:
                raise HRMModelError(f"its pickle uses the opcode {name}, which no list of weights needs")

    def _find(self, module: Any, attribute: Any) -> _Named:
        name = f"{module}.{attribute}" if isinstance(module, str) and isinstance(attribute, str) else "?"
        if name not in self.named:
            raise HRMModelError(f"its pickle names {shortened(name)}; only tensors and plain containers are read")
        return _Named(name, self.named[name])

    def _since_mark(self) -> list[Any]:
        items = []
        while (item := self.stack.pop()) is not _MARK:
            items.append(item)
        return items[::-1]

    def _top(self, kind: type) -> Any:
        if not isinstance(self.stack[-1], kind):
            raise ValueError(f"a {kind.__name__} was expected, but a {type(self.stack[-1]).__name__} came")
        return self.stack[-1]

    def _take(self, kind: type) -> Any:
        self._top(kind)
        return self.stack.pop()

    def _set_items(self, target: dict[Any, Any], items: list[Any]) -> None:
        keys, values = items[::2], items[1::2]
        if len(keys) != len(values) or not all(isinstance(key, str | int) for key in keys):
            raise ValueError("a dict's keys should be strings or numbers, each with a value")
        target.update(zip(keys, values, strict=True))
        self.stack.append(target)
