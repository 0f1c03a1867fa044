"""The WordPress plugin against a real server: alone in PHP, then inside a real WordPress.

The second part needs WordPress, a theme and MariaDB's programs; it starts a MariaDB of its own:

    apt-get install --no-install-recommends wordpress wordpress-theme-twentytwentythree \\
      php php-cgi php-mysql mariadb-server-core mariadb-client-core
"""

from __future__ import annotations

import getpass
import html
import json
import re
import shutil
import subprocess
import time
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.deploy.conftest import DEPLOY, ROOT, Site, Start, free_port, program, run, wait_for

PHP = Path(__file__).parent / "wordpress"
CASES = PHP / "plugin.php"
PLUGIN = DEPLOY / "wordpress" / "parley.php"
BECOMES = {"approve": 1, "review": 0, "reject": "trash"}


def test_the_plugin_does_what_the_policy_says(serve: Start) -> None:
    php = program("php", "php-cli")
    site = serve()
    key = site.key()
    done = run(php, CASES, PLUGIN, site.url, key)
    assert done.returncode == 0, done.stdout
    *cases, last = map(json.loads, done.stdout.splitlines())
    clean, capitals, *others = cases
    request = last["request"]
    assert request["policy"] == "strict"
    assert request["comments"][0] == {
        "text": "Thank you.",
        "format": "html",
        "article": {
            "id": "7",
            "url": "https://news.example/bridge",
            "title": "Council closes the bridge",
            "text": "On Monday.",
        },
        "parent": {"id": "3", "text": "Nobody asked."},
    }
    for case, text in ((clean, "Thank you."), (capitals, None)):
        if text is None:
            text = "THIS IS A DISGRACE AND EVERYONE IN THIS TOWN KNOWS IT VERY WELL"
        body = json.dumps({**request, "comments": [{**request["comments"][0], "text": text}]}).encode()
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {key}"}
        asked = urllib.request.Request(f"{site.url}/v1/classify", body, headers)
        with urllib.request.urlopen(asked, timeout=30) as answer:
            decision = json.load(answer)["results"][0]["decision"]
        assert case["becomes"] == BECOMES[decision["action"]]
        assert case["meta"]["parley_action"] == decision["action"]
    assert capitals["becomes"] != 1, "the strict policy lets no capitals through"
    # Held, spam, a moderator's, not UTF-8, blank: Parley isn't asked.
    assert [case["becomes"] for case in others] == [0, "spam", 1, 1, 1]
    assert not any(case["meta"] for case in others)


def test_without_a_server_comments_are_posted() -> None:
    done = run(program("php", "php-cli"), CASES, PLUGIN, f"http://127.0.0.1:{free_port()}", "key")
    cases = [json.loads(line) for line in done.stdout.splitlines()]
    assert [case["becomes"] for case in cases[:-1]] == [1, 1, 0, "spam", 1, 1, 1]


# A real WordPress

SOURCE = Path("/usr/share/wordpress")
THANKS = "Thank you, a good plan. My children walk over that bridge to school."
INSULT = "Whoever voted for this is a complete idiot. Shut up, you stupid clowns."


@dataclass
class WordPress:
    """A WordPress with the plugin, an open post, and a browser for each reader."""

    php: str
    folder: Path
    url: str
    post: str
    readers: int = 0

    def comment(self, text: str) -> httpx.Response:
        """Send the form under the post. Each reader has an address: WordPress throttles by address."""
        self.readers += 1
        name = f"Reader {self.readers}"
        transport = httpx.HTTPTransport(local_address=f"127.0.0.{10 + self.readers}")
        with httpx.Client(transport=transport, follow_redirects=True, timeout=60) as browser:
            page = browser.get(f"{self.url}/?p={self.post}")
            action, form = form_of(page.text, "commentform")
            form |= {"comment": text, "author": name, "email": f"reader{self.readers}@news.example"}
            return browser.post(action, data=form)

    def page(self) -> str:
        """The post as anybody sees it."""
        return httpx.get(f"{self.url}/?p={self.post}", timeout=60).text

    def comments(self) -> list[dict[str, Any]]:
        """Every comment under the post, oldest first."""
        done = run(self.php, PHP / "comments.php", self.folder, self.post)
        assert done.returncode == 0, done.stdout
        return [json.loads(line) for line in done.stdout.splitlines()]

    def list_for_moderators(self) -> str:
        """The page of comments, as the editor sees it."""
        with httpx.Client(follow_redirects=True, timeout=60) as browser:
            browser.get(f"{self.url}/wp-login.php")
            browser.post(
                f"{self.url}/wp-login.php", data={"log": "editor", "pwd": "secret", "testcookie": "1"}
            )
            return browser.get(f"{self.url}/wp-admin/edit-comments.php").text


def form_of(page: str, identifier: str) -> tuple[str, dict[str, str]]:
    """The address that a form is sent to, and its hidden fields."""
    found = re.search(rf'<form action="([^"]+)"[^>]*id="{identifier}".*?</form>', page, re.DOTALL)
    assert found, page
    hidden = [tag for tag in re.findall(r"<input[^>]*>", found[0]) if "hidden" in tag]
    fields = [dict(re.findall(r"""(name|value)=['"]([^'"]*)""", tag)) for tag in hidden]
    return html.unescape(found[1]), {field["name"]: field.get("value", "") for field in fields}


@pytest.fixture
def database(tmp_path: Path, background: Callable[..., Any]) -> Path:
    """The socket of a running MariaDB with an empty database `wordpress`."""
    server = shutil.which("mariadbd", path="/usr/sbin:/usr/bin")
    installer, client = shutil.which("mariadb-install-db"), shutil.which("mariadb")
    if not (server and installer and client):
        pytest.skip("MariaDB is not installed (Debian: mariadb-server-core)")
    data, socket = tmp_path / "mariadb", tmp_path / "mariadb.socket"
    common = ("--no-defaults", f"--datadir={data}", f"--user={getpass.getuser()}")
    done = run(installer, *common, "--auth-root-authentication-method=normal", "--skip-test-db")
    assert done.returncode == 0, done.stdout
    process = background(server, *common, "--skip-networking", f"--socket={socket}")
    for _ in range(600):
        command = (
            client,
            "--no-defaults",
            f"--socket={socket}",
            "--user=root",
            "-e",
            "CREATE DATABASE wordpress",
        )
        if run(*command).returncode == 0:
            return socket
        assert process.poll() is None, process.communicate()[0]
        time.sleep(0.1)
    pytest.fail("MariaDB doesn't answer")


@pytest.fixture
def wordpress(
    tmp_path: Path, database: Path, background: Callable[..., subprocess.Popen[str]]
) -> Callable[[Site], WordPress]:
    """Installs WordPress with the plugin, set up for a Parley server."""
    php = program("php", "php-cli")
    if not (SOURCE / "wp-load.php").exists() or not list(SOURCE.glob("wp-content/themes/*/style.css")):
        pytest.skip("WordPress and its theme are not installed (Debian: see the top of this file)")
    if "mysqli" not in run(php, "-m").stdout:
        pytest.skip("PHP can't speak to MariaDB (Debian: php-mysql)")

    def start(site: Site) -> WordPress:
        folder, port = tmp_path / "wordpress", free_port()
        shutil.copytree(SOURCE, folder, ignore=shutil.ignore_patterns(".htaccess", "wp-config.php"))
        shutil.copy(PLUGIN, folder / "wp-content" / "plugins")
        settings = {
            "DB_NAME": "wordpress",
            "DB_USER": "root",
            "DB_PASSWORD": "",
            "DB_HOST": f"localhost:{database}",
            "WP_HOME": f"http://127.0.0.1:{port}",
            "WP_SITEURL": f"http://127.0.0.1:{port}",
            "WP_HTTP_BLOCK_EXTERNAL": True,
            "WP_ACCESSIBLE_HOSTS": "127.0.0.1",
            "DISABLE_WP_CRON": True,
            "AUTOMATIC_UPDATER_DISABLED": True,
            "PARLEY_URL": site.url,
            "PARLEY_KEY": site.key(),
        }
        lines = [f"define({name!r}, {json.dumps(value)});" for name, value in settings.items()]
        lines += ["$table_prefix = 'wp_';", "defined('ABSPATH') || define('ABSPATH', __DIR__ . '/');"]
        lines += ["require_once ABSPATH . 'wp-settings.php';"]
        (folder / "wp-config.php").write_text("<?php\n" + "\n".join(lines), encoding="utf-8")
        done = run(php, PHP / "install.php", folder, "parley.php")
        found = re.search(r"^post (\d+)$", done.stdout, re.MULTILINE)
        assert found, done.stdout
        process = background(php, "-d", "opcache.enable=0", "-S", f"127.0.0.1:{port}", "-t", folder)
        wait_for(f"http://127.0.0.1:{port}/", process)
        return WordPress(php, folder, f"http://127.0.0.1:{port}", found[1])

    return start


def test_a_real_wordpress_holds_an_insult(serve: Start, wordpress: Callable[[Site], WordPress]) -> None:
    site = serve(ROOT / "model" / "artifacts" / "parley-minilm")
    blog = wordpress(site)
    assert blog.comment(THANKS).status_code == 200
    assert blog.comment(INSULT).status_code == 200
    thanks, insult = blog.comments()
    assert (thanks["text"], thanks["status"], thanks["action"]) == (THANKS, "approved", "approve")
    assert (insult["text"], insult["status"], insult["action"]) == (INSULT, "unapproved", "review")
    assert "abuse.toxicity" in insult["reasons"]
    page = blog.page()
    assert THANKS in page
    assert "idiot" not in page
    assert f"Parley: review ({insult['reasons']})" in html.unescape(blog.list_for_moderators())

    # `mark` only records the decision.
    config = blog.folder / "wp-config.php"
    config.write_text(
        config.read_text(encoding="utf-8").replace("<?php", "<?php define('PARLEY_ACT', 'mark');"),
        encoding="utf-8",
    )
    blog.comment(f"{INSULT} You morons.")
    assert (blog.comments()[2]["status"], blog.comments()[2]["action"]) == ("approved", "review")

    # Without the server, comments are posted.
    site.process.terminate()
    site.process.wait(20)
    blog.comment("Does the bus still stop at the mill?")
    assert (blog.comments()[3]["status"], blog.comments()[3]["action"]) == ("approved", "")
