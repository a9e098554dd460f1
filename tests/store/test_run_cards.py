"""Tags and a note on a run."""

import pytest

from lab.errors import InputError
from lab.store.run_cards import Card, read_card, write_card
from lab.store.run_folder import RunFolder


def test_tags_and_note_come_back_as_they_were_written(tmp_path):
    folder = RunFolder(tmp_path)
    assert read_card(folder) == Card()
    assert write_card(folder, "#good, 对照 good", " first try ") == Card(("good", "对照"), "first try")
    assert read_card(RunFolder(tmp_path)) == Card(("good", "对照"), "first try")


@pytest.mark.parametrize("tags", [" ".join(f"t{n}" for n in range(13)), "x" * 31, "a\x00b"])
def test_what_is_no_tag_is_refused(tmp_path, tags):
    with pytest.raises(InputError) as caught:
        write_card(RunFolder(tmp_path), tags, "")
    assert caught.value.key == "run_tags"
