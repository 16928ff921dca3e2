"""`keras-icnn report`."""

import errno
import os
import sys

from keras_icnn.cli._model_data import ModelData, tell_images
from keras_icnn.cli._options import add_from_logits, add_measured_data, add_model, number
from keras_icnn.cli._saved_model import load_model, preprocessing_of

SUMMARY = "write a page that shows what a network's filters mean"


def add_arguments(parser):
    add_model(parser)
    add_measured_data(
        parser, split="images to use", layer="layer; else the topmost interpretable one"
    )
    add_from_logits(parser, "the output of the model, and of that of --compare,")
    parser.add_argument("-o", "--out", default="report.html", metavar="FILE", help="page to write")
    parser.add_argument(
        "--compare", metavar="MODEL", help="a second network, such as the ordinary twin"
    )
    parser.add_argument("--compare-layer", metavar="NAME", help="layer of the second network")
    parser.add_argument(
        "--pictures", type=number, default=1000, metavar="N", help="images on the page at most"
    )
    parser.add_argument("--title", metavar="TEXT", help="of the page")


def run(args):
    from keras_icnn import visualize
    from keras_icnn.visualize._report_page import checked_path

    # Whatever is not there shall be told before minutes of work.
    checked_path(args.out)
    for path in filter(None, (args.model, args.compare, args.data)):
        if not os.path.exists(path):
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
    model = load_model(args.model)
    data = ModelData(model, args.data, reader=args.reader, categories=args.category)
    shown = data.split(args.split)
    tell_images(data)
    path = visualize.report(
        model,
        shown,
        args.out,
        load_model(args.compare) if args.compare else None,
        layer=args.layer,
        compare_layer=args.compare_layer,
        n=args.pictures,
        title=args.title,
        radius=args.radius,
        preprocess=preprocessing_of(args.preprocess, model),
        from_logits=args.from_logits,
        verbose=int(sys.stderr.isatty()),
    )
    print(f"Page: {path} ({path.stat().st_size / 1e6:.1f} MB). Open it in a browser.")
