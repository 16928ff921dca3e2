"""How the paper merges the parts of Pascal-Part (section 5.2.1), as a table."""

_EYES_EARS = ("leye", "reye", "lear", "rear")
_PAWS = {
    "front_legs": ("lfleg", "lfpa", "rfleg", "rfpa"),
    "back_legs": ("lbleg", "lbpa", "rbleg", "rbpa"),
}
_HOOVES = {
    "front_legs": ("lfuleg", "lflleg", "rfuleg", "rflleg"),
    "back_legs": ("lbuleg", "lblleg", "rbuleg", "rblleg"),
}

# Animal -> part of the paper -> parts of the data set. For cow, horse and sheep the paper leaves
# the tail out. Muzzles and hooves, which it does not name, go where the authors' code puts them.
MERGED = {
    "bird": {
        "head": ("head", "leye", "reye", "beak"),
        "torso": ("torso", "neck", "lwing", "rwing"),
        "legs": ("lleg", "lfoot", "rleg", "rfoot"),
        "tail": ("tail",),
    },
    "cat": {
        "head": ("head", *_EYES_EARS, "nose"),
        "torso": ("torso", "neck"),
        **_PAWS,
        "tail": ("tail",),
    },
    "cow": {
        "head": ("head", *_EYES_EARS, "muzzle", "lhorn", "rhorn"),
        "torso": ("torso", "neck"),
        **_HOOVES,
    },
    "dog": {
        "head": ("head", *_EYES_EARS, "nose", "muzzle"),
        "torso": ("torso", "neck"),
        **_PAWS,
        "tail": ("tail",),
    },
    "horse": {
        "head": ("head", *_EYES_EARS, "muzzle"),
        "torso": ("torso", "neck"),
        "front_legs": (*_HOOVES["front_legs"], "lfho", "rfho"),
        "back_legs": (*_HOOVES["back_legs"], "lbho", "rbho"),
    },
    "sheep": {
        "head": ("head", *_EYES_EARS, "muzzle", "lhorn", "rhorn"),
        "torso": ("torso", "neck"),
        **_HOOVES,
    },
}

# Every part of any animal, in one order.
PARTS = ("head", "torso", "legs", "front_legs", "back_legs", "tail")

# Parts of the data set itself, not merged (section 5.2.2).
LANDMARKS = ("head", "neck", "torso")

# What the data set may name for each animal.
KNOWN = {
    animal: {name for merged in table.values() for name in merged} | {"tail"}
    for animal, table in MERGED.items()
}
