"""Tables as others write them: what they hold is read as it is meant, or named."""

import numpy as np
import pytest

from htaflow.model.data.load import load
from htaflow.model.data.options import DataOptions
from htaflow.model.support.errors import BadInputError

MANY = [f"{n},{n * 7 % 30}" for n in range(40)]  # a feature, and 30 different numbers


@pytest.fixture
def write(tmp_path):
    """Return a function that writes a table of a header and rows."""

    def write(header, rows, name="d.csv"):
        path = tmp_path / name
        path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
        return path

    return write


def refuse(match, path, **options):
    with pytest.raises(BadInputError, match=match) as caught:
        load(path, options=DataOptions(**options))
    assert "scale and round" not in str(caught.value)


def rows(*labels, times=5):
    return [f"{n},{label}" for n, label in enumerate(labels * times)]


# Labels


@pytest.mark.parametrize("more", [[], ["cat"]])
def test_a_leading_zero_makes_another_class_whatever_else_is_there(write, more):
    said: list[str] = []
    data = load(write("a,label", rows("01", "1", *more)), said.append)
    assert data.classes == ("01", "1", *more)
    assert any("'01' (line 2) and '1' (line 3) are two classes" in line for line in said)


@pytest.mark.parametrize("label", ["1_0", "\uff11", "\u0663", "+-1", "0x10"])
def test_what_only_python_reads_as_a_number_is_text(write, label):
    assert set(load(write("a,label", rows("10", label))).classes) == {"10", label}


def test_integers_are_ordered_as_numbers_and_all_else_as_text(write):
    assert load(write("a,label", rows("10", "-9", "9", "0"))).classes == ("-9", "0", "9", "10")
    assert load(write("a,label", rows("10", "9", "x"))).classes == ("10", "9", "x")
    huge = "1" + "0" * 25
    assert load(write("a,label", rows("9", huge))).classes == (huge, "9")


@pytest.mark.parametrize(("one", "other"), [("1", "1.0"), ("1", "1e0"), ("+1", "1"), ("0", "-0.")])
def test_one_number_written_in_two_ways_is_asked_about(write, one, other):
    match = r"label': .*\(line 2\) and .*\(line 3\) are the same number; write both alike"
    refuse(match, write("a,label", rows(one, other)))


@pytest.mark.parametrize(
    ("labels", "missing"), [(("0", "1", "NA"), "NA"), (("cat", "dog", "nan"), "nan"), ("01?", "?")]
)
def test_a_missing_label_is_no_class(write, labels, missing):
    refuse(f"line 4: the label '.?{missing}' is a missing", write("a,label", rows(*labels)))


def test_words_that_may_mean_something_missing_may_be_classes(write):
    assert load(write("a,label", rows("NA", "EU", "none"))).classes == ("EU", "NA", "none")


def test_a_measured_quantity_is_no_label(write):
    match = "30 different numbers in 40 rows look like a measured quantity.*--many-classes"
    refuse(match, write("a,label", MANY))
    fractions = [f"{n},{n % 12 + 0.5}" for n in range(60)]
    refuse("12 different numbers in 60 rows", write("a,label", fractions))
    path = write("a,label", MANY * 3)
    assert len(load(path, options=DataOptions(many_classes=True)).classes) == 30


def test_many_rows_of_many_numbers_and_a_few_fractions_are_classes(write):
    assert len(load(write("a,label", MANY * 10)).classes) == 30
    doses = [f"{n},{(0.5, 1, 2)[n % 3]}" for n in range(60)]
    assert load(write("a,label", doses)).classes == ("0.5", "1", "2")
    names = [f"{n},c{n * 7 % 30}" for n in range(120)]
    assert len(load(write("a,label", names)).classes) == 30


def test_npz_labels_that_are_a_measured_quantity_are_refused(tmp_path):
    x, y = np.arange(40)[:, None], np.arange(40) * 7 % 30
    np.savez(tmp_path / "d.npz", x=x, y=y)
    refuse("30 different numbers in 40 rows", tmp_path / "d.npz")
    np.savez(tmp_path / "d.npz", x=x, y=y / 3)
    refuse("labels are float64; with fractions, as of a measured", tmp_path / "d.npz")


# Columns


@pytest.mark.parametrize("name", ["", "Unnamed: 0"])
@pytest.mark.parametrize("start", [0, 1])
def test_a_column_that_only_numbers_the_rows_is_left_out(write, name, start):
    told = [f"{start + n},{n * 3 % 5},{'xy'[n % 2]}" for n in range(12)]
    said: list[str] = []
    data = load(write(f"{name},a,label", told), said.append)
    assert data.features == 1
    assert data.known.names == ("a",)
    assert any("numbers the rows; it is left out" in line for line in said)


def test_another_column_without_a_name_is_asked_about(write):
    gaps = [f"{2 * n},{n},x" for n in range(12)]
    refuse(r"line 3: the first column has no name.*'2' here.*--drop ''", write(",a,label", gaps))
    last = [f"{n},{'xy'[n % 2]}," for n in range(12)]
    refuse("column 3 has no name.*--drop ''", write("a,label,", last))
    data = load(write("a,label,", last), options=DataOptions(drop=("",)))
    assert (data.features, data.classes) == (1, ("x", "y"))


@pytest.mark.parametrize("separator", [";", "\t", "|"])
def test_other_separators_are_recognised(write, separator):
    told = [line.replace(",", separator) for line in rows("a b", "c")]
    said: list[str] = []
    data = load(write(f"x{separator}label", told), said.append)
    assert (data.features, data.classes) == (1, ("a b", "c"))
    assert "columns are separated by" in said[0]


@pytest.mark.parametrize("cell", ["1,5", "-0,25", "1.234,5", ",5", "1 234,5"])
def test_a_decimal_comma_is_never_misread(write, cell):
    refuse("line 2, column 'a': .* has a comma; write", write("a;label", [f"{cell};x", "2;y"]))
    refuse("line 2, column 'a': .* has a comma", write("a,label", [f'"{cell}",x', "2,y"]))
    refuse("has 3 cells, the header 2; write decimal", write("a,label", ["1,5,x", "2,y"]))


@pytest.mark.parametrize("cell", ["", "  ", "NA", "N/A", "nan", "NULL", "?", "None", "-"])
@pytest.mark.parametrize("scale", [None, 8])
def test_a_missing_value_is_called_so(write, cell, scale):
    refuse("line 2, column 'a': .* is a missing", write("a,label", [f"{cell},x"]), scale=scale)


@pytest.mark.parametrize("cell", ["1_0", "\uff11", "0x10", "1 2", "infinity", "1e", "red", "True"])
def test_features_are_numbers_as_every_language_writes_them(write, cell):
    refuse("line 2, column 'a': .* is (no number|not finite)", write("a,label", [f"{cell},x"]))


@pytest.mark.parametrize("other", ["label2", "Label", "labels", "label_cat", "label.1"])
def test_a_second_label_is_no_feature_unless_that_is_said(write, other):
    told = [f"{n},{n % 2},{n % 2}" for n in range(12)]
    path = write(f"a,label,{other}", told)
    refuse(f"'label' and '{other}' both look like labels.*--drop '{other}'", path)
    assert load(path, options=DataOptions(drop=(other,))).features == 1
    assert load(path, options=DataOptions(label="label")).features == 2


def test_the_label_may_have_another_name(write):
    path = write("species,length,width", [f"{'ab'[n % 2]},{n},{n}" for n in range(12)])
    refuse("lacks the column 'label'.*--label 'NAME'", path)
    refuse("lacks the column 'kind'", path, label="kind")
    data = load(path, options=DataOptions(label="species"))
    assert data.classes == ("a", "b")
    assert data.known.names == ("length", "width")
    refuse("lacks the column 'label'.*--label 'Class'", write("a,Class", ["1,2"]))


@pytest.mark.parametrize("label", ["1e40", "1e-40", "1e99999999", "1" * 90, "0." + "3" * 80])
def test_numbers_of_any_size_are_labels(write, label):
    assert set(load(write("a,label", rows(label, "2") * 3)).classes) == {label, "2"}


def test_one_hot_columns_and_a_missing_header_are_recognised(write):
    refuse("'label_a' and 'label_b' look like labels.*one-hot", write("x,label_a,label_b", []))
    refuse("the first row holds numbers only; give a header", write("5.1,3.5,0", ["1,2,3"]))


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"drop": ("b",)}, "no column 'b' to leave out; known: a, label"),
        ({"drop": ("label",)}, "'label' is the label; do not"),
        ({"drop": ("a",)}, "no column but 'label'"),
        ({"size": (8, 8)}, "--size says nothing about a .csv file"),
        ({"layout": "nhwc"}, "--layout says nothing about a .csv file"),
    ],
)
def test_options_that_do_not_fit_are_refused(write, options, match):
    refuse(match, write("a,label", rows("x", "y")), **options)


@pytest.mark.parametrize(
    "options", [{"scale": 0}, {"scale": 17}, {"layout": "hwc"}, {"size": (0, 8)}]
)
def test_options_that_no_data_can_have_are_refused(options):
    with pytest.raises(BadInputError, match=r"; (use|known|did you)"):
        DataOptions(**options)


def test_built_in_data_take_no_options():
    refuse("digits: --scale says nothing about built-in data", "digits", scale=8)
