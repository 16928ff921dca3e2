"""`keras-icnn reproduce`."""

from pathlib import Path

from keras_icnn.cli._options import RESUME_ADVICE, add_recipe_runs
from keras_icnn.recipes._paper_tables import DATA_SETS, RULES, TABLES

SUMMARY = "run a table of the paper and print it beside the paper's"
WHEN_STOPPED = RESUME_ADVICE


def add_arguments(parser):
    parser.add_argument("table", metavar="TABLE", choices=TABLES, help="table1 to table7")
    parser.add_argument(
        "--out",
        default="runs/tables",
        metavar="DIR",
        help="folder for the results; tables share runs, so one for all",
    )
    parser.add_argument(
        "--network",
        action="append",
        metavar="NAME",
        help="only this network, such as vgg_m or squeezenet; the paper's if not given; repeated",
    )
    parser.add_argument(
        "--data-set",
        action="append",
        choices=DATA_SETS,
        help="only the columns on this data set; may be repeated",
    )
    parser.add_argument(
        "--rule",
        action="append",
        choices=RULES,
        help="train interpretable networks with this rule, too; may be repeated",
    )
    parser.add_argument(
        "--recipe",
        action="append",
        metavar="FILE",
        help="a recipe of your own in place of the shipped ones; may be repeated",
    )
    parser.add_argument(
        "--split",
        choices=("held-out", "all"),
        default="held-out",
        help="images to measure on; all includes those trained on, as the authors' code does",
    )
    parser.add_argument(
        "--print", action="store_true", help="print what has been measured, train nothing"
    )
    add_recipe_runs(
        parser,
        data="folder that holds the data sets and weights",
        seeds="this seed in place of the recipes'; may be repeated",
        category="only this category of the single-category tasks; may be repeated",
    )


def run(args):
    from keras_icnn.recipes import reproduce

    result = reproduce(
        args.table,
        args.data,
        args.out,
        networks=args.network,
        data_sets=args.data_set,
        categories=args.category,
        seeds=args.seed,
        rules=args.rule or (),
        recipes=args.recipe or (),
        all_images=args.split == "all",
        train=not args.print,
    )
    print(f"\n{result.text}\n")
    print(f"This table:         {result.files[0]}, {result.files[1]}")
    print(f"All figures:        {Path(args.out) / 'results.csv'}")
