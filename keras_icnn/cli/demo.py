"""`keras-icnn demo`."""

from keras_icnn.cli._options import seed

SUMMARY = "train an ordinary and an interpretable network on generated data"


def add_arguments(parser):
    parser.add_argument("--out", default="demo", metavar="DIR", help="folder for tables and images")
    parser.add_argument("--seed", type=seed, default=0, metavar="N", help="of data and networks")
    parser.add_argument(
        "--quick",
        action="store_true",
        help="a few seconds of training, to see that everything works; the figures mean nothing",
    )


def run(args):
    from keras_icnn.demo import run_demo

    run_demo(args.out, seed=args.seed, quick=args.quick)
