"""Digits, splits, tables and what keeps their mapping: tables of good and bad files, and laws."""

import csv
import io
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import clearprop as cp
from clearprop.core.errors import DataError, FileError, ShapeError
from clearprop.data import Standardizer, TableMapping, digits, read_csv, split
from clearprop.data.csv_file import parse_csv
from clearprop.data.digit_images import PIXELS, digits_mapping
from clearprop.data.preprocessing import task_of
from clearprop.data.table import Table
from clearprop.train.run import Run, load

SHARED = Path(__file__).parents[2] / "shared" / "data" / "csv"

# ---- digits


def test_digits_are_scikit_learns():
    theirs = pytest.importorskip("sklearn.datasets").load_digits()
    x, y = digits()
    assert (x.dtype, y.dtype, x.shape) == (np.float32, np.int64, (1797, 64))
    np.testing.assert_array_equal(x * 16, theirs.data)
    np.testing.assert_array_equal(y, theirs.target)
    assert list(PIXELS) == theirs.feature_names


def test_a_table_of_pixels_becomes_the_same_inputs():
    x, _ = digits()
    pixels = [[str(int(v)) for v in row] for row in x[:3] * 16]
    np.testing.assert_array_equal(digits_mapping().inputs_of(Table("t", PIXELS, pixels, (2, 3, 4))), x[:3])


# ---- split


@given(
    labels=st.lists(st.integers(0, 4), min_size=2, max_size=60),
    fraction=st.floats(0.01, 0.99),
    seed=st.integers(0, 2**64 - 1),
    stratified=st.booleans(),
)
@example(labels=[0, 1], fraction=0.9, seed=0, stratified=False)
def test_a_split_is_a_partition_of_the_wanted_size(labels, fraction, seed, stratified):
    y = np.array(labels)
    kept, aside = split(len(y), fraction, seed, y if stratified else None)
    assert sorted([*kept, *aside]) == list(range(len(y)))
    assert list(kept) == sorted(kept)
    assert len(kept) > 0 < len(aside)
    assert stratified or len(aside) == min(max(round(len(y) * fraction), 1), len(y) - 1)
    again = split((y, np.arange(len(y))), fraction, seed, y if stratified else None)
    np.testing.assert_array_equal(again[1][1], aside)
    if stratified and max(np.bincount(y)) > 1:
        for label, size in zip(*np.unique(y, return_counts=True), strict=True):
            taken = int((y[aside] == label).sum())
            assert abs(taken - size * fraction) <= 1
            assert taken < size


def test_seeds_differ_and_all_samples_have_their_turn():
    parts = [tuple(split(20, 0.25, seed)[1]) for seed in range(40)]
    assert len(set(parts)) > 35
    assert set(np.concatenate(parts)) == set(range(20))


SPLIT_ERRORS = [
    ((1,), "1 sample cannot be split"),
    ((0,), "0 samples cannot be split"),
    ((9, 0.0), "between 0 and 1"),
    ((9, 1.0), "between 0 and 1"),
    ((9, float("nan")), "between 0 and 1"),
    (((np.zeros(3), np.zeros(4)),), "equally many samples, not 3, 4"),
    ((9, 0.2, 0, [1, 2]), "9 classes, one a sample"),
]


@pytest.mark.parametrize(("arguments", "message"), SPLIT_ERRORS)
def test_what_cannot_be_split(arguments, message):
    with pytest.raises(DataError, match=message):
        split(*arguments)


# ---- reading

GOOD = [
    ("comma", "a,b\n1,2\n3,4\n", ("a", "b"), [["1", "2"], ["3", "4"]], [2, 3]),
    ("semicolon", "a;b\n1;2\n", ("a", "b"), [["1", "2"]], [2]),
    ("tab", "a\tb\n1\t2\n", ("a", "b"), [["1", "2"]], [2]),
    ("the separator is not the one in quotes", '"x,y,z";b\n1;2\n', ("x,y,z", "b"), [["1", "2"]], [2]),
    ("byte order mark", "\ufeffa,b\n1,2\n", ("a", "b"), [["1", "2"]], [2]),
    ("Windows line ends", "a,b\r\n1,2\r\n", ("a", "b"), [["1", "2"]], [2]),
    ("old Macintosh line ends", "a,b\r1,2\r", ("a", "b"), [["1", "2"]], [2]),
    ("no line end at the end", "a,b\n1,2", ("a", "b"), [["1", "2"]], [2]),
    ("blanks and blank lines", "\n a , b \n\n 1 , 2 \n  \n", ("a", "b"), [["1", "2"]], [4]),
    ("quotes", 'a,b\n"x, ""y""",2\n', ("a", "b"), [['x, "y"', "2"]], [2]),
    ("a line end in quotes", 'a,b\n"x\ny",2\n3,4\n', ("a", "b"), [["x\ny", "2"], ["3", "4"]], [2, 4]),
    ("one column", "a\n1\n\n2\n", ("a",), [["1"], ["2"]], [2, 4]),
    ("empty cells", "a,b\n,2\n", ("a", "b"), [["", "2"]], [2]),
    ("other scripts", "größe,färg\n1,röd\n", ("größe", "färg"), [["1", "röd"]], [2]),
]


@pytest.mark.parametrize(
    ("text", "columns", "rows", "lines"), [g[1:] for g in GOOD], ids=[g[0] for g in GOOD]
)
def test_what_is_read(tmp_path, text, columns, rows, lines):
    file = tmp_path / "t.csv"
    file.write_bytes(text.encode())
    table = read_csv(file)
    assert (table.columns, list(table.rows), list(table.lines)) == (columns, rows, lines)


BAD = [
    ("empty", b"", DataError, "t.csv is empty"),
    ("blank", b"\n \n", DataError, "is empty"),
    ("header only", b"a,b\n", DataError, "has a header but no rows"),
    ("two columns of one name", b"a,b,a\n1,2,3\n", DataError, "more than one column is named 'a'"),
    ("no header", b"5.1,3.5,3.5,x\n1,2,2,y\n", DataError, "'3.5'. The first line looks like data"),
    ("a column without a name", b"a,,c\n1,2,3\n", DataError, "column 2 of 3 has no name"),
    (
        "too few cells",
        b"a,b\n1,2\n3\n",
        DataError,
        "line 3: the number of cells is 1, but the header names 2",
    ),
    ("too many cells", b"a,b\n1,2\n\n3,4,5\n", DataError, "line 4: the number of cells is 3"),
    ("an open quote", b'a,b\n1,2\n"3,4\n5,6\n', DataError, "line 3: a quote is never closed"),
    ("a quote in the middle", b'a,b\n"1"2,3\n', DataError, "line 2: "),
    ("a huge cell", b"a,b\n1," + b"2" * 200_000, DataError, "line 2: field larger"),
    ("Latin-1", "a,b\n1,é\n".encode("latin-1"), FileError, "is not UTF-8 text: line 2 holds the byte 0xe9"),
    ("UTF-16", "a,b\n1,2\n".encode("utf-16"), FileError, "is not UTF-8 text: line 1"),
    ("zero bytes", b"a,b\n1,\0\n", FileError, "holds zero bytes"),
]


@pytest.mark.parametrize(("content", "error", "message"), [b[1:] for b in BAD], ids=[b[0] for b in BAD])
def test_what_cannot_be_read(tmp_path, content, error, message):
    file = tmp_path / "t.csv"
    file.write_bytes(content)
    with pytest.raises(error, match=message):
        read_csv(file)


def test_no_file_and_no_folder(tmp_path):
    with pytest.raises(FileError, match="there is no file"):
        read_csv(tmp_path / "none.csv")
    with pytest.raises(FileError, match="is a folder"):
        read_csv(tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(FileError, match="cannot be read: Not a directory"):
        read_csv(tmp_path / "file" / "t.csv")


CELLS = [
    ("", "line 3, column 'a' is empty: fill it in"),
    ("NA", "'NA', which stands for no value"),
    ("?", "stands for no value"),
    ("nan", "'nan', which stands for no value"),
    ("inf", "'inf', which is no finite number"),
    ("-Infinity", "no finite number"),
    ("1e39", "beyond single precision"),
    ("1e400", "beyond single precision"),
    ("1,5", "write decimals with a point"),
    ("cat", "'cat', which is not a number: correct the table"),
    ("1_000", "not a number"),
    ("0x10", "not a number"),
    ("١٢", "not a number"),
    ("1e", "not a number"),
    ("x" * 60, "'x{40}...'"),
]


@pytest.mark.parametrize(("cell", "message"), CELLS)
def test_cells_that_are_no_numbers_are_named(cell, message):
    rows = [["1", "2"], [cell, "2"], ["3", "2"]]
    with pytest.raises(DataError, match=message) as caught:
        Table("t.csv", ("a", "b"), rows, (2, 3, 4)).numbers(["b", "a"])
    assert str(caught.value).startswith("t.csv, line 3, column 'a'")


def test_numbers_of_all_spellings():
    cells = ["1", "-1.", "+.5", "1e3", "1E-3", "007", "3.4e38"]
    table = Table("t", ("a",), [[c] for c in cells], range(len(cells)))
    np.testing.assert_array_equal(table.numbers(["a"])[:, 0], [1, -1, 0.5, 1000, 0.001, 7, 3.4e38])


def test_columns_that_do_not_exist():
    table = parse_csv("Sepal,Petal,species\n1,2,a\n", "iris.csv")
    with pytest.raises(
        DataError, match=r"iris.csv has no column 'Species'; it has 'Sepal', .* mean 'species'"
    ):
        table.texts("Species")
    with pytest.raises(DataError, match="no columns 'x', 'y'; it has"):
        table.require(["x", "Petal", "y"])
    with pytest.raises(DataError, match="looks like data"):
        parse_csv("5.1,3.5,setosa\n1,2,b\n").texts("species")


# ---- any bytes, any text

NAMES = st.text("ab1.5, ;\"'\t\n", max_size=3)
SEEDS = st.sampled_from(
    ["a,b\n1,2\n3,4\n", "x;y\n1.5;cat\n2;dog\n", '"a","b"\n"1","2"\n', "a,b,c\n,nan,inf\n", "1,2\n3,4\n"]
)


def try_to_learn(table):
    """Whatever a table holds, it gives a sound mapping or a DataError."""
    for target in table.columns:
        try:
            mapping = TableMapping.of(table, target)
        except DataError:
            continue
        x, y = mapping.inputs_of(table), mapping.targets_of(table)
        assert x.dtype == np.float32
        assert np.isfinite(x).all()
        assert np.isfinite(y).all()
        assert len(x) == len(y) == len(table) > 1
        assert len(np.unique(y)) > 1


@given(content=st.binary(max_size=80) | st.builds(lambda s, b: s.encode() + b, SEEDS, st.binary(max_size=20)))
def test_any_bytes_are_a_table_or_an_error(tmp_path_factory, content):
    file = tmp_path_factory.getbasetemp() / "any.csv"
    file.write_bytes(content)
    try:
        table = read_csv(file)
    except (DataError, FileError):
        return
    try_to_learn(table)


@given(
    text=st.text("ab1-.e5,;\t\"' \n\r", max_size=60)
    | st.text(max_size=60)
    | SEEDS.flatmap(
        lambda s: st.builds(lambda i, t: s[: i % len(s)] + t + s[i % len(s) :], st.integers(0, 99), NAMES)
    )
)
def test_any_text_is_a_table_or_an_error(text):
    try:
        table = parse_csv(text)
    except DataError:
        return
    assert len(set(table.columns)) == len(table.columns)
    assert all(len(row) == len(table.columns) for row in table.rows)
    assert list(table.lines) == sorted(set(table.lines))
    try_to_learn(table)


CELL = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=8).map(str.strip)


@given(
    st.integers(2, 4).flatmap(
        lambda k: st.tuples(
            st.lists(CELL.filter(bool), min_size=k, max_size=k, unique=True),
            st.lists(st.lists(CELL, min_size=k, max_size=k), min_size=1, max_size=5),
        )
    )
)
def test_what_the_csv_module_writes_is_read_back(written):
    header, rows = written
    text = io.StringIO(newline="")
    csv.writer(text, quoting=csv.QUOTE_ALL).writerows([header, *rows])
    table = parse_csv(text.getvalue())
    assert (list(table.columns), list(table.rows)) == (header, rows)


# ---- tasks and mappings

TASKS = [
    ("text", ["a", "b", "a", "b"], "classification"),
    ("yes and no", ["0", "1", "1", "0"], "classification"),
    ("minus one and one", ["-1", "1", "1.0", "-1"], "classification"),
    ("a few integers, often", ["1", "2", "3"] * 5, "classification"),
    ("a few integers, seldom", ["1", "2", "3"] * 4, "regression"),
    ("twenty integers", [str(i) for i in range(20)] * 5, "classification"),
    ("many integers", [str(i) for i in range(21)] * 50, "regression"),
    ("two fractions", ["0.5", "1.5"] * 50, "regression"),
    ("quantities", ["1.5", "2.5", "3.1"], "regression"),
]


@pytest.mark.parametrize(("cells", "task"), [t[1:] for t in TASKS], ids=[t[0] for t in TASKS])
def test_the_target_decides_the_task(cells, task):
    assert task_of(Table("t", ("y",), [[c] for c in cells], range(len(cells))), "y") == task


MAPPING_ERRORS = [
    ("x,y\n1,a\n", "a single row"),
    ("x,y\n1,a\n2,a\n", "column 'y' is 'a' in every row"),
    ("x,y\n1,5\n2,5\n3,5\n", "column 'y' is '5' in every row"),
    ("x,y\n1,1.5\n2,1.5\n", "column 'y' is '1.5' in every row"),
    ("x,y\n1,a\n2,b\n3,c\n", "3 different values in 3 rows: too many classes"),
    ("x,y\n1,a\n2,\n3,b\n", "line 3, column 'y' is empty"),
    ("x,y\n1,1.5\n2,?\n3,2.5\n", "line 3, column 'y' holds '[?]', which stands for no value"),
    ("x,y\n1,1.5\n2,2.5\n3,cat\n", "line 4, column 'y' holds 'cat', which is not a number"),
    ("x,y\nred,0\nblue,1\n", "line 2, column 'x' holds 'red', which is not a number"),
    ("x,z,y\nred,dog,0\nblue,cat,1\n", "the columns 'x', 'z' hold text"),
    ("x,y\n1,0\n,1\n", "line 3, column 'x' is empty"),
    ("y\n1\n2\n", "has no column to learn 'y' from"),
    ("x,z\n1,0\n2,1\n", "no column 'y'; it has 'x', 'z'"),
]


@pytest.mark.parametrize(("text", "message"), MAPPING_ERRORS)
def test_what_cannot_be_learned(text, message):
    with pytest.raises(DataError, match=message):
        TableMapping.of(parse_csv(text, "t.csv"), "y")


def test_settings_that_do_not_fit_the_table():
    table = parse_csv("x,z,y\n1,0,a\n2,1,b\n")
    with pytest.raises(DataError, match="both the target and ignored"):
        TableMapping.of(table, "y", ignore=["y"])
    with pytest.raises(DataError, match="no column 'w'"):
        TableMapping.of(table, "y", ignore=["w"])
    with pytest.raises(DataError, match="task='cluster'"):
        TableMapping.of(table, "y", "cluster")
    with pytest.raises(DataError, match="holds text such as 'a': regression needs numbers"):
        TableMapping.of(table, "y", "regression")
    assert TableMapping.of(table, "y", ignore=["z"]).columns == ("x",)


def test_classes_are_sorted_and_spelled_one_way():
    table = parse_csv("x,y\n" + "".join(f"{i},{c}\n" for i, c in enumerate(["10", "9", "9.0", "010"] * 3)))
    mapping = TableMapping.of(table, "y")
    assert mapping.classes == ("9", "10")
    np.testing.assert_array_equal(mapping.targets_of(table), [1, 0, 0, 1] * 3)
    assert mapping.predictions(np.eye(2)) == ["9", "10"]
    np.testing.assert_allclose(mapping.probabilities(np.array([[0.0, np.log(3)]])), [[0.25, 0.75]])
    with pytest.raises(
        DataError, match="line 2, column 'y' holds '7', which is none of the classes '9', '10'"
    ):
        mapping.targets_of(parse_csv("x,y\n1,7\n"))


def test_inputs_are_found_by_name():
    mapping = TableMapping.of(parse_csv("a,b,y\n0,5,u\n2,9,v\n"), "y")
    shuffled = parse_csv("b,more,a\n9,text,0\n5,text,2\n")
    np.testing.assert_array_equal(mapping.inputs_of(shuffled), [[-1, 1], [1, -1]])
    with pytest.raises(DataError, match="no column 'b'"):
        mapping.inputs_of(parse_csv("a\n1\n"))


def test_scales_come_from_the_rows_that_are_trained_on():
    table = parse_csv("x,y\n0,1\n2,3\n100,50\n")
    mapping = TableMapping.of(table, "y", "regression").standardized_on(table.take([0, 1]))
    np.testing.assert_array_equal(mapping.inputs_of(table)[:, 0], [-1, 1, 99])
    np.testing.assert_array_equal(mapping.targets_of(table)[:, 0], [-1, 1, 48])
    np.testing.assert_allclose(mapping.predictions(mapping.targets_of(table)), [1, 3, 50])


COLUMN = st.lists(st.floats(-1e6, 1e6, width=32), min_size=3, max_size=3)


@given(st.lists(COLUMN, min_size=1, max_size=20))
def test_a_standardizer_and_its_way_back(rows):
    x = np.array(rows)
    standard = Standardizer.of(x)
    z = standard(x)
    assert z.dtype == np.float32
    spread = x.max(axis=0) - x.min(axis=0)
    np.testing.assert_allclose(standard.inverse(z), x, atol=1e-5 * spread.max() + 1e-300)
    for column in range(3):
        if spread[column] == 0:
            assert standard.scale[column] == 1
            assert not z[:, column].any()
        elif spread[column] > 1e-6 * abs(x[:, column]).max():
            assert abs(z[:, column].mean()) < 1e-4
            assert abs(z[:, column].std() - 1) < 1e-4


def test_a_standardizer_needs_rows_and_columns():
    with pytest.raises(ShapeError, match=re.escape("not an array of shape [3]")):
        Standardizer.of(np.zeros(3))


@pytest.mark.parametrize("target", ["kind", "size"])
def test_a_mapping_survives_saving(tmp_path, target):
    table = parse_csv("width,size,kind\n" + "".join(f"{i},{i * i}.5,{'ab'[i % 2]}\n" for i in range(6)))
    mapping = TableMapping.of(table, target, ignore=["kind"] if target == "size" else [])
    Run(cp.nn.Dense(2, 2), preprocessing=mapping).save(tmp_path / "m.safetensors")
    loaded = load(tmp_path / "m.safetensors").preprocessing
    assert type(loaded) is TableMapping
    assert (loaded.columns, loaded.target, loaded.task) == (mapping.columns, target, mapping.task)
    assert loaded.classes == mapping.classes
    np.testing.assert_array_equal(loaded.inputs_of(table), mapping.inputs_of(table))
    np.testing.assert_array_equal(loaded.targets_of(table), mapping.targets_of(table))


# ---- tables of the world

WORLD = [
    ("student_data.csv", "admit", (), ("classification", 400, 3)),
    ("california_housing.csv", "median_house_value", ("ocean_proximity",), ("regression", 20433, 8)),
    (
        "titanic_train.csv",
        "Survived",
        ("Name", "Sex", "Ticket", "Cabin", "Embarked"),
        ("classification", 714, 6),
    ),
    ("bike_sharing_hour.csv", "cnt", ("dteday",), ("regression", 17379, 15)),
]


@pytest.mark.parametrize(("name", "target", "ignore", "expected"), WORLD)
def test_tables_of_the_world(name, target, ignore, expected):
    if not (SHARED / name).exists():
        pytest.skip(f"{name} is not here")
    table = read_csv(SHARED / name)
    kept = [c for c in table.columns if c not in ignore]
    table = table.complete(kept)
    mapping = TableMapping.of(table, target, ignore=ignore)
    assert (mapping.task, *mapping.inputs_of(table).shape) == expected


@pytest.mark.parametrize(
    "name", ["iris.csv", "winequality-red.csv", "udacity_perceptron_data.csv", "adult-train.csv"]
)
def test_tables_without_a_header_are_told_so(name):
    if not (SHARED / name).exists():
        pytest.skip(f"{name} is not here")
    with pytest.raises(DataError, match="The first line looks like data"):
        TableMapping.of(read_csv(SHARED / name), "target")
