"""Pages are kept on disk, as their servers wish."""

import sqlite3
from contextlib import closing

import pytest

from llmkit.errors import PageError, PageRefused
from llmkit.web import cache, fetch
from tests.support.site import PAGE, TEXT


def local(url, **settings):
    return fetch(url, allow_private=True, respect_robots=False, **settings)


@pytest.mark.parametrize("headers", [{}, {"Cache-Control": "max-age=60"}, {"ETag": '"1"'}])
def test_a_second_look_does_not_ask_again(site, headers):
    url = site.page(**headers)
    assert local(url) == local(url)
    assert site.paths == ["/page"]


@pytest.mark.parametrize(
    ("tag", "question"),
    [({"ETag": '"1"'}, "if-none-match"), ({"Last-Modified": "Sun, 01 Nov 2026 00:00:00 GMT"}, "if-modified-since")],
)
def test_a_stale_page_is_revalidated(site, tag, question):
    def answer(handler):
        same = handler.headers[question] is not None
        handler.send(b"" if same else PAGE, 304 if same else 200, Cache_Control="no-cache", **tag)

    url = site.put(answer)
    assert [local(url).page_content for _ in range(3)] == [TEXT] * 3
    assert [question in map(str.lower, headers) for _, headers in site.asked] == [False, True, True]


def test_a_changed_page_is_fetched_again(site):
    pages = iter([(PAGE, '"1"'), (b"<p>The lift works.", '"2"')])

    def answer(handler):
        body, tag = next(pages)
        handler.send(body, ETag=tag, Cache_Control="no-cache")

    url = site.put(answer)
    assert [local(url).page_content for _ in range(2)] == [TEXT, "The lift works."]


@pytest.mark.parametrize("headers", [{"Cache-Control": "no-store"}, {"Vary": "*"}])
def test_pages_that_must_not_be_stored_are_not_cached(site, headers):
    url = site.page(**headers)
    local(url)
    local(url)
    assert site.paths == ["/page", "/page"]


def test_nothing_is_stored_with_cache_false(site, own_pages):
    url = site.page()
    local(url, cache=False)
    assert not (own_pages / "pages").exists()


def test_a_page_of_unknown_length_is_not_cached(site):
    def answer(handler):
        handler.begin()
        handler.wfile.write(PAGE)

    url = site.put(answer)
    assert [local(url).page_content for _ in range(2)] == [TEXT, TEXT]
    assert site.paths == ["/page", "/page"]


def test_cached_pages_have_no_cookies(site, own_pages):
    local(site.page(Set_Cookie="session=topsecret"))
    kept = [path.read_bytes() for path in own_pages.rglob("*") if path.is_file()]
    assert any(TEXT.encode() in content for content in kept)
    assert all(b"topsecret" not in content for content in kept)


def test_cached_private_pages_need_allow_private(site):
    url = site.page(Cache_Control="max-age=60")
    local(url)
    with pytest.raises(PageRefused, match="no public address"):
        fetch(url, respect_robots=False)


def test_a_smaller_size_limit_applies_to_cached_pages(site):
    url = site.page()
    local(url)
    with pytest.raises(PageError, match="more than 10 bytes"):
        local(url, max_bytes=10)


def test_a_damaged_cache_counts_as_empty(site, own_pages, capfd):
    folder = own_pages / "pages"
    folder.mkdir(parents=True)
    (folder / "private.db").write_bytes(b"this is no database" * 100)
    assert local(site.page()).page_content == TEXT
    assert capfd.readouterr().err == ""


def test_a_damaged_cache_is_replaced(site, own_pages):
    folder = own_pages / "pages"
    folder.mkdir(parents=True)
    (folder / "private.db").write_bytes(b"this is no database" * 100)
    url = site.page()
    assert [local(url).page_content for _ in range(2)] == [TEXT, TEXT]
    assert site.paths == ["/page"]


@pytest.mark.parametrize(
    "sql",
    [
        "CREATE TABLE entries (x)",
        "CREATE TABLE entries (id BLOB, cache_key BLOB, data BLOB, created_at REAL, deleted_at REAL)",
        "CREATE VIEW entries AS SELECT 1 AS id",
    ],
)
def test_a_cache_with_other_tables_is_replaced(site, own_pages, sql):
    folder = own_pages / "pages"
    folder.mkdir(parents=True)
    with closing(sqlite3.connect(folder / "private.db")) as connection:
        connection.execute(sql)
        connection.commit()
    url = site.page()
    assert [local(url).page_content for _ in range(2)] == [TEXT, TEXT]
    assert site.paths == ["/page"]


def test_a_folder_that_others_can_read_is_closed_to_them(site, own_pages):
    folder = own_pages / "pages"
    folder.mkdir(parents=True)
    folder.chmod(0o755)
    local(site.page())
    assert folder.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("target_exists", [False, True])
def test_a_link_is_not_followed(site, own_pages, tmp_path, target_exists):
    target = tmp_path / "target"
    if target_exists:
        target.write_bytes(b"")
    (own_pages / "pages").mkdir(parents=True)
    (own_pages / "pages" / "private.db").symlink_to(target)
    assert local(site.page()).page_content == TEXT
    assert target.exists() == target_exists
    assert not target_exists or target.read_bytes() == b""


def test_a_cache_that_another_process_has_locked_is_done_without(site, own_pages):
    url = site.page()
    local(url)
    with sqlite3.connect(own_pages / "pages" / "private.db", isolation_level=None) as other:
        other.execute("BEGIN EXCLUSIVE")
        assert local(url, timeout=4).page_content == TEXT
        other.execute("ROLLBACK")
    other.close()
    assert site.paths == ["/page", "/page"]


def test_a_cache_that_cannot_be_written_is_done_without(site, own_pages):
    (own_pages / "pages").write_text("a file where the folder should be")
    assert local(site.page()).page_content == TEXT


def test_the_oldest_pages_make_room(site, own_pages, monkeypatch):
    monkeypatch.setattr(cache, "MAX_BYTES", 1 << 20)
    for number in range(12):
        local(site.page(PAGE + bytes([32 + number]) * 200_000, f"/{number}"))
    assert sum(path.stat().st_size for path in own_pages.rglob("*.db")) < 2 << 20
