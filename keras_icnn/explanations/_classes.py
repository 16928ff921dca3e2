"""The classes that a network tells apart: their names, and which of them is asked about."""

import numpy as np

from keras_icnn.models._part_membership import part_key


class Classes:
    """The classes of a network's outputs; one output has two, the background first.

    Args:
        outputs: number of the network's logits.
        class_names: names of the classes, or None: those of the first of `references` whose fit.
        *references: a model, a `PartDataset` or anything else; asked for `class_names`.

    Attributes:
        names: list of str, or None where none are known.

    Raises:
        ValueError: for names that do not fit.
    """

    def __init__(self, outputs, class_names=None, *references):
        self._single = outputs == 1
        self._count = 2 if self._single else outputs
        self.names = self._checked(class_names, references)

    def _checked(self, class_names, references):
        given = class_names
        if given is None:
            known = [getattr(reference, "class_names", None) for reference in references]
            fit = [names for names in known if names is not None and len(names) == self._count]
            return list(fit[0]) if fit else None
        if isinstance(given, str) or len(given) != self._count:
            also = ", the background's first" if self._single else ""
            raise ValueError(
                f"`class_names` must be the names of the model's {self._count} classes{also}. "
                f"Received: {given!r}"
            )
        return [str(name) for name in given]

    def predicted(self, logits):
        """The number of the class that logits `[outputs]` decide for."""
        # Nothing speaks for either class at 0: class 0, as `predictions > 0.5` has it.
        return int(logits[0] > 0) if self._single else int(logits.argmax())

    def asked(self, logits, target, against):
        """What is explained.

        Args:
            logits: float `[outputs]` of one image.
            target: class, its number or name; None: the predicted one.
            against: another class, or None.

        Returns:
            (number of the target, number of the class it is compared with or None, weights
            `[outputs]` of the logits in the score).
        """
        target = self.predicted(logits) if target is None else self._number("target", target)
        if against is not None:
            against = self._number("against", against)
            if against == target:
                raise ValueError(
                    "`against` must be another class than `target`. Received: "
                    f"target={target}, against={against}"
                )
        weights = np.zeros(len(logits))
        if self._single:
            # Class 1 against class 0 is what the one logit says.
            weights[0] = 1.0 if target == 1 else -1.0
        else:
            weights[target] = 1.0
            if against is not None:
                weights[against] = -1.0
        return target, against, weights

    def _number(self, argument, value):
        if isinstance(value, str):
            if self.names is None or value not in self.names:
                known = "none are known: pass `class_names`" if self.names is None else ""
                raise ValueError(
                    f"`{argument}` must be a class: a number from 0 to {self._count - 1}, or one "
                    f"of the names ({known or ', '.join(self.names)}). Received: {value!r}"
                )
            return self.names.index(value)
        if (
            isinstance(value, bool)
            or not isinstance(value, int | np.integer)
            or not 0 <= value < self._count
        ):
            raise ValueError(
                f"`{argument}` must be a class: a number from 0 to {self._count - 1}, or a name. "
                f"Received: {value!r}"
            )
        return int(value)

    def name(self, number):
        """The name of a class, or "class 3"."""
        return f"class {number}" if self.names is None else str(self.names[number])

    def part_key(self, number, part):
        """What a part of a class is called until somebody names it: "tiger/0"."""
        known = self.names is not None and number < len(self.names)
        return part_key(self.names[number] if known else f"class {number}", part)

    def common_name(self, numbers):
        """The name of the one class that all the numbers are; "" where they differ or are -1."""
        found = {int(number) for number in numbers}
        if len(found) > 1 or min(found) < 0:
            return ""
        number = found.pop()
        return self.name(number) if self.names is None or number < len(self.names) else ""
