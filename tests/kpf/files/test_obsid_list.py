from kpfnb.kpf.files import obsid_list

ONE, TWO = "KP.20240101.00001.00", "KP.20240102.00002.50"


def test_header_lines_and_odd_rows_do_no_harm(tmp_path):
    path = tmp_path / "junk.csv"
    rows = [
        "Junk observations,,",
        "observation_id,why",
        f'"{ONE}",bad',
        "",
        f"{TWO}.fits",
        "KP.2.1,x",
    ]
    path.write_text("\n".join(rows))
    found = obsid_list.read_junk_list(path)
    assert found.obsids == {ONE, TWO}
    assert found.for_night("20240101") == {ONE}
    assert found.for_night("20240103") == frozenset()
    assert found.notes == ("junk list: 1 rows name no observation, first 'KP.2.1'",)


def test_without_a_list_nothing_is_junk_and_it_is_said(tmp_path):
    found = obsid_list.read_junk_list(tmp_path / "none.csv")
    assert not found.obsids
    assert "nothing counts as junk" in found.notes[0]


def test_a_list_that_cannot_be_read_is_said(tmp_path):
    found = obsid_list.read_junk_list(tmp_path)
    assert not found.obsids
    assert "Is a directory" in found.notes[0]
