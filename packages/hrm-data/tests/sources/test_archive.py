"""Archives that nobody vouches for: read in memory, refused as a whole where they are hostile or damaged."""

from __future__ import annotations

import io
import tarfile
import zipfile
from pathlib import Path

import pytest
from hrm_data import HRMDataError
from hrm_data.sources import read_archive
from hypothesis import given, settings
from hypothesis import strategies as st

MODES = {"a.tar": "w", "a.tar.gz": "w:gz", "a.tar.bz2": "w:bz2", "a.tar.xz": "w:xz"}
FILES = {"data/one.json": b"{}", "data/deep/er/two.txt": b"two" * 5000, "empty": b""}


def tar(path: Path, members: list[tuple[tarfile.TarInfo, bytes]]) -> Path:
    with tarfile.open(path, MODES[path.name]) as archive:
        for info, content in members:
            archive.addfile(info, io.BytesIO(content))
    return path


def regular(name: str, content: bytes = b"x") -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.size = len(content)
    return info, content


def special(name: str, kind: bytes, target: str = "") -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info, b""


def packed(path: Path, files: dict[str, bytes]) -> Path:
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in files.items():
                archive.writestr(name, content)
        return path
    return tar(path, [special("data", tarfile.DIRTYPE), *(regular(*item) for item in files.items())])


@pytest.mark.parametrize("name", [*MODES, "a.zip"])
def test_files_come_back_in_order_with_their_content(tmp_path: Path, name: str) -> None:
    path = packed(tmp_path / name, FILES)
    assert list(read_archive(path)) == list(FILES.items())
    assert [n for n, _ in read_archive(path, lambda n: n.endswith(".json"))] == ["data/one.json"]


@pytest.mark.parametrize("name", MODES)
@pytest.mark.parametrize("size", [0, 1 << 20, 1 << 40])
def test_a_sparse_file_is_refused_whatever_it_claims(tmp_path: Path, name: str, size: int) -> None:
    info = tarfile.TarInfo("training/a.json")
    info.pax_headers = {"GNU.sparse.map": f"{size},0", "GNU.sparse.size": str(size), "GNU.sparse.major": "0"}
    with tarfile.open(tmp_path / name, MODES[name], format=tarfile.PAX_FORMAT) as archive:
        archive.addfile(info, io.BytesIO(b""))
    with pytest.raises(HRMDataError, match=r"training/a.json' is a sparse file; pack it again without --sparse"):
        list(read_archive(tmp_path / name, lambda _: False))


def test_a_zip_whose_list_of_members_is_too_long_is_refused_before_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = packed(tmp_path / "a.zip", {f"{number}.json": b"{}" for number in range(100)})
    monkeypatch.setattr("hrm_data.sources._archive.MAX_DIRECTORY", 1000)
    with pytest.raises(HRMDataError, match=r"lists its members in [\d,]+ bytes, more than 1,000"):
        list(read_archive(path))


def test_the_content_decides_on_the_kind_not_the_name(tmp_path: Path) -> None:
    packed(tmp_path / "a.tar.xz", FILES).rename(tmp_path / "download")
    assert dict(read_archive(tmp_path / "download")) == FILES


@pytest.mark.parametrize(
    "name", ["../evil", "a/../../evil", "/etc/passwd", "..", "a\\..\\..\\evil", "C:\\evil", "C:/x"]
)
@pytest.mark.parametrize("kind", ["a.tar.gz", "a.zip"])
def test_a_name_that_leads_out_is_refused(tmp_path: Path, kind: str, name: str) -> None:
    path = packed(tmp_path / kind, {"good": b"1", name: b"2"})
    with pytest.raises(HRMDataError, match="leads out of the archive"):
        list(read_archive(path, lambda n: n == "good"))
    assert [p.name for p in tmp_path.iterdir()] == [kind]


@pytest.mark.parametrize(
    "member",
    [
        special("link", tarfile.SYMTYPE, "/etc/passwd"),
        special("link", tarfile.SYMTYPE, "one"),
        special("link", tarfile.LNKTYPE, "one"),
        special("dev", tarfile.CHRTYPE),
        special("dev", tarfile.BLKTYPE),
        special("pipe", tarfile.FIFOTYPE),
    ],
    ids=lambda member: member[0].type.decode(),
)
def test_links_and_devices_are_refused(tmp_path: Path, member: tuple[tarfile.TarInfo, bytes]) -> None:
    path = tar(tmp_path / "a.tar.xz", [regular("one"), member])
    with pytest.raises(HRMDataError, match="is a link or a device"):
        list(read_archive(path))


def test_a_link_in_a_zip_is_refused(tmp_path: Path) -> None:
    info = zipfile.ZipInfo("link")
    info.external_attr = 0o120777 << 16
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr(info, "/etc/passwd")
    with pytest.raises(HRMDataError, match="'link' is a link or a device"):
        list(read_archive(tmp_path / "a.zip"))


def test_a_name_that_stands_twice_is_refused(tmp_path: Path) -> None:
    path = tar(tmp_path / "a.tar", [regular("one", b"1"), regular("one", b"2")])
    with pytest.raises(HRMDataError, match="holds 'one' twice"):
        list(read_archive(path))


@pytest.mark.parametrize("name", ["a.tar.gz", "a.tar.xz", "a.tar.bz2", "a.zip"])
def test_what_unpacks_to_more_than_the_bounds_is_refused(tmp_path: Path, name: str) -> None:
    path = packed(tmp_path / name, {f"zeros{i}": bytes(1 << 20) for i in range(4)})
    assert path.stat().st_size < 1 << 16
    with pytest.raises(HRMDataError, match=r"'zeros0' unpacks to 1048576 bytes, more than 1000000"):
        list(read_archive(path, max_member=10**6))
    with pytest.raises(HRMDataError, match=r"unpacks to more than 3000000 bytes"):
        list(read_archive(path, lambda n: False, max_total=3 * 10**6))
    assert len(list(read_archive(path))) == 4


def test_a_header_that_unpacks_to_more_than_the_bounds_is_refused(tmp_path: Path) -> None:
    info, content = regular("one")
    info.pax_headers = {"comment": "x" * (1 << 21)}
    with tarfile.open(tmp_path / "a.tar.gz", "w:gz", format=tarfile.PAX_FORMAT) as archive:
        archive.addfile(info, io.BytesIO(content))
    with pytest.raises(HRMDataError, match="unpacks to more than 1000000 bytes"):
        list(read_archive(tmp_path / "a.tar.gz", max_total=10**6))


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(["a.tar.gz", "a.tar.bz2", "a.tar.xz", "a.zip"]), st.floats(0, 1), st.booleans())
def test_a_cut_or_altered_archive_never_gives_other_content(
    tmp_path_factory: pytest.TempPathFactory, name: str, share: float, cut: bool
) -> None:
    path = packed(tmp_path_factory.mktemp("x") / name, FILES)
    data = bytearray(path.read_bytes())
    at = min(int(share * len(data)), len(data) - 1)
    if cut:
        del data[at:]
    else:
        data[at] ^= 0xFF
    path.write_bytes(data)
    found: dict[str, bytes] = {}
    message = ""
    try:
        found = dict(read_archive(path))
    except HRMDataError as error:
        message = str(error)
    same_content = sorted(found.values()) == sorted(FILES.values())
    assert str(path) in message or (same_content and not cut)


@pytest.mark.parametrize("content", [b"", b"hello", b"PK\x03\x04", b"\x1f\x8b", bytes(3)])
def test_what_is_no_archive_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.tar.gz").write_bytes(content)
    with pytest.raises(HRMDataError, match=r"a\.tar\.gz is no archive, damaged or cut short"):
        list(read_archive(tmp_path / "a.tar.gz"))


def test_a_plain_tar_that_was_cut_between_two_files_is_refused(tmp_path: Path) -> None:
    path = packed(tmp_path / "a.tar", {"one": b"1", "two": b"2"})
    path.write_bytes(path.read_bytes()[: 3 * 512])  # the directory and the first file
    with pytest.raises(HRMDataError, match=r"a\.tar is no archive, damaged or cut short"):
        list(read_archive(path))


def test_a_path_without_a_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(HRMDataError, match="does not exist"):
        list(read_archive(tmp_path / "no.zip"))
    with pytest.raises(HRMDataError, match="is a directory"):
        list(read_archive(tmp_path))
