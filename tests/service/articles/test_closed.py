"""Pages that say that their comments are closed, as themes do; the same words from readers don't count."""

from __future__ import annotations

import pytest

from parley.service.articles.closed import says_closed

FORM = '<form id="commentform"><textarea name="comment"></textarea></form>'


def page(below: str, *, head: str = "", article: str = "<p>The council voted on Monday.</p>") -> bytes:
    return (
        f"<!doctype html><html><head><meta charset='utf-8'>{head}</head><body>"
        f"<article><h1>The bridge</h1>{article}</article>{below}</body></html>"
    ).encode()


@pytest.mark.parametrize(
    "below",
    [
        '<div id="comments" class="comments-area"><p class="no-comments">Comments are closed.</p></div>',
        '<p class="nocomments"><!-- the theme --> Comments are\n closed. </p>',
        '<div class="comment-respond" id="respond"><p class="comments-closed">Comments are closed.</p></div>',
        '<section id="comments"><div class="alert">Kommentare sind geschlossen.</div></section>',
        '<section class="comments"><h3>Die Kommentarfunktion ist geschlossen</h3></section>',
        '<p class="no-comments">Les commentaires sont fermés.</p>',
        '<p class="no-comments">Los comentarios están cerrados.</p>',
        '<p class="no-comments">I commenti sono chiusi.</p>',
        '<p class="no-comments">Os comentários estão encerrados.</p>',
        '<p class="no-comments">Reacties zijn gesloten.</p>',
        '<p class="no-comments">Kommentarer är stängda.</p>',
        '<p class="no-comments">Możliwość komentowania została wyłączona.</p>',
        '<p class="no-comments">Комментарии закрыты.</p>',
        '<p class="comments-closed"><b>Sorry</b>, comments are closed on this article!</p>',
        '<article id="post"><div id="comments"><p>Comments are closed.</p></div></article>',
    ],
)
def test_a_notice_among_the_comments_is_read(below: str) -> None:
    assert says_closed(page(below))
    assert not says_closed(page(below + FORM)), "a page with a box to write in is open"


@pytest.mark.parametrize(
    "below",
    [
        "",
        "<p>Comments are closed.</p>",
        '<p class="no-comments">No comments yet.</p>',
        '<div id="comments"><ol><li class="comment"><p>Comments are closed.</p></li></ol></div>',
        '<div id="comments"><article><p>Comments are closed.</p></article></div>',
        '<div id="comments"><div class="comment-body">Comments are closed.</div></div>',
        '<div id="comments"><p>Comments are closed on Sundays, as the paper told us in May.</p></div>',
        '<div id="comments"><p>Comments are closed.</p><p>So I write elsewhere.</p>' + FORM + "</div>",
        '<div id="comments"><script>"Comments are closed."</script></div>',
        '<div id="comments"><!-- If comments are closed. --></div>',
    ],
)
def test_other_words_close_nothing(below: str) -> None:
    assert not says_closed(page(below))


def test_an_article_about_closed_comments_closes_nothing() -> None:
    assert not says_closed(page("", article="<p>Comments are closed.</p>"))


def test_a_meta_tag_in_the_head_counts() -> None:
    closed, opened = (f'<meta name="parley:comments" content="{word}">' for word in ("Closed ", "open"))
    assert says_closed(page(FORM, head=closed))
    assert not says_closed(page('<p class="no-comments">Comments are closed.</p>', head=opened))
    assert not says_closed(page(closed)), "in the body it may be a reader's"


@pytest.mark.parametrize("page", [b"", b"\xff\xfe\x00\x00<<<>", b"{}"])
def test_what_is_not_a_page_says_nothing(page: bytes) -> None:
    assert not says_closed(page)
