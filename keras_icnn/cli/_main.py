"""Puts the parser together from the verbs, and runs one.

Each verb is a module of this package, named like the verb, with:

- `SUMMARY`: what it does, one line without a full stop;
- `add_arguments(parser)`: adds its options;
- `run(args)`: does it, with Keras imported; returns an exit code, or None for done;
- `NEEDS_KERAS`, False if it does without;
- `WHEN_STOPPED`, if it keeps what was done: what to do after Ctrl-C; `{out}` is its `--out`.

Help imports the verbs' modules, so these import Keras, and what needs it, in `run` only.
"""

import argparse
import os
import sys
import traceback

from keras_icnn import __version__
from keras_icnn.cli import (
    bench,
    demo,
    evaluate,
    explain,
    export,
    models,
    name,
    recipes,
    report,
    reproduce,
    train,
)
from keras_icnn.cli._keras_import import import_keras
from keras_icnn.cli._outcome import DONE, INTERRUPTED, WRONG_USE, code_of, complain, told

# In the order in which help lists them.
VERBS = (demo, models, recipes, train, reproduce, explain, evaluate, report, name, export, bench)


def main(argv=None):
    """Runs one verb.

    Args:
        argv: list of arguments; None: the process's own.

    Returns:
        The exit code: 0 done, 1 failed, 2 wrong use (a recipe that cannot be run included), 130
        interrupted. argparse itself leaves by `SystemExit`, with the same codes.
    """
    _print_everything()
    parser = make_parser()
    args = parser.parse_args(argv)
    if args.verb is None:
        parser.print_help(sys.stderr)
        return WRONG_USE
    try:
        if getattr(args.module, "NEEDS_KERAS", True):
            import_keras()
        code = args.module.run(args)
        sys.stdout.flush()
        return DONE if code is None else code
    except KeyboardInterrupt:
        # Progress bars leave the cursor in their line.
        print(file=sys.stderr)
        advice = getattr(args.module, "WHEN_STOPPED", "Run the same command again.")
        complain("stopped. " + advice.format(out=getattr(args, "out", "")))
        return INTERRUPTED
    except BrokenPipeError:
        # Somebody downstream, such as `head`, has seen enough. Python would complain at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return DONE
    except Exception as error:
        if args.debug:
            traceback.print_exc()
        else:
            complain(told(error))
        return code_of(error)


def _print_everything():
    """Lets consoles whose encoding lacks a character print its code instead of failing."""
    for stream in (sys.stdout, sys.stderr):
        # Streams that tests or notebooks put in their place may not have it.
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def make_parser():
    """The parser of all verbs."""
    parser = argparse.ArgumentParser(
        prog="keras-icnn",
        description="Interpretable convolutional neural networks: train, measure, look inside.",
        epilog="Exit codes: 0 done, 1 failed, 2 wrong use, 130 interrupted.",
    )
    parser.add_argument("--version", action="version", version=f"keras-icnn {__version__}")
    parser.add_argument("--debug", action="store_true", help="show tracebacks")
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", title="verbs")
    for module in VERBS:
        summary = module.SUMMARY
        sub = verbs.add_parser(
            module.__name__.rpartition(".")[2],
            help=summary,
            description=summary[0].upper() + summary[1:] + ".",
            formatter_class=argparse.ArgumentDefaultsHelpFormatter,
        )
        # Accepted on both sides of the verb; suppressed, or it would undo the one before.
        sub.add_argument(
            "--debug", action="store_true", default=argparse.SUPPRESS, help="show tracebacks"
        )
        module.add_arguments(sub)
        sub.set_defaults(module=module)
    return parser
