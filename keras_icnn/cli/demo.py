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
    parser.add_argument(
        "--photo",
        metavar="FILE",
        help="no training: a page about this photograph, by the network of 24 animals that comes "
        "with the package",
    )


def run(args):
    if args.photo is not None:
        from keras_icnn._demo_photo import write_photo_page

        write_photo_page(args.photo, args.out)
        return
    from keras_icnn.demo import run_demo

    run_demo(args.out, seed=args.seed, quick=args.quick)
