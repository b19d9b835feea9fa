from kpfnb.kpf.files import exposure

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
    junk_list = exposure.read_junk_list(path)
    assert junk_list.obsids == {ONE, TWO}
    assert junk_list.for_night("20240101") == {ONE}
    assert junk_list.for_night("20240103") == frozenset()
    assert junk_list.notes == ("junk list: 1 rows name no observation, first 'KP.2.1'",)


def test_without_a_list_nothing_is_junk_and_this_is_reported(tmp_path):
    junk_list = exposure.read_junk_list(tmp_path / "none.csv")
    assert not junk_list.obsids
    assert "nothing counts as junk" in junk_list.notes[0]


def test_an_unreadable_list_is_reported(tmp_path):
    junk_list = exposure.read_junk_list(tmp_path)
    assert not junk_list.obsids
    assert "Is a directory" in junk_list.notes[0]
