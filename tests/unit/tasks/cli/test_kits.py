"""Kits are made, given anew and made worthless; a site takes none that does not fit."""

from __future__ import annotations

import stat
import tomllib
from datetime import timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from common import settings
from common.clock import GridClock, wall_now
from common.errors import SettingError
from common.identity import Identity, load_or_make
from common.kit import Kit, KitRedis, new_one_time, read_kit, write_kit
from common.redis_users import password_sha256
from common.settings.config_edit import write_settings
from common.tls import SERVER_LASTS, TlsFiles, make_tls
from scheduler.federation.federation import Federation
from scheduler.federation.opening import open_ledger
from scheduler.ledger.event import Draft
from scheduler.ledger.events import ClientEnrolled
from tasks.cli import fairwind
from tasks.cli.preflight_kits import check_kits
from tasks.roles import coordinator_key_file, site_key_file

NOWHERE = "redis://127.0.0.1:1/0"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FAIRWIND_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("FAIRWIND_REDIS_URL", NOWHERE)
    monkeypatch.chdir(tmp_path)
    settings.load.cache_clear()
    return tmp_path / "home"


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The home of a site, at which no variable but that is set."""
    monkeypatch.setenv("FAIRWIND_HOME", str(tmp_path / "site"))
    monkeypatch.delenv("FAIRWIND_CONFIG", raising=False)
    monkeypatch.chdir(tmp_path)
    settings.load.cache_clear()
    return tmp_path / "site"


def run(*words: str) -> Result:
    settings.load.cache_clear()
    return CliRunner().invoke(fairwind, words)


def done(*words: str) -> str:
    result = run(*words)
    assert result.exit_code == 0, result.output
    return result.output


def refused(*words: str) -> str:
    """Return the one line with which a command ended."""
    result = run(*words)
    assert result.exit_code != 0
    text = str(result.exception) if not isinstance(result.exception, SystemExit) else result.output
    assert "Traceback" not in text
    return text


def state(home: Path) -> Federation:
    ledger = open_ledger(f"sqlite:///{home}/ledger.sqlite", GridClock())
    try:
        return ledger.state()
    finally:
        ledger.close()


def kit_of(coordinator: Identity, **changes: object) -> Kit:
    known: dict[str, object] = {
        "client": "lyon", "zone": "FR", "coordinator_key": coordinator.public.text,
        "redis": KitRedis(
            host="127.0.0.1", port=1, database=0, tls=False, user="site-lyon", password="A" * 43,
        ),
        "one_time_key": new_one_time().private, "made_at": wall_now(),
        "join_before": wall_now() + timedelta(days=7),
    }  # fmt: skip
    return Kit.model_validate({**known, **changes})


def test_the_ledger_knows_of_a_kit_no_secret(home):
    said = done("enroll", "lyon", "--zone", "FR", "--examples", "50", "--kit", "lyon.kit")
    assert "fairwind site join lyon.kit" in said
    kit = read_kit(Path("lyon.kit"))
    client = state(home).clients["lyon"]
    assert (kit.client, kit.zone, kit.num_examples) == ("lyon", "FR", 50)
    assert client.redis_password_sha256 == password_sha256(kit.redis.password)
    assert (client.kit_key, client.join_before) == (kit.one_time.public.text, kit.join_before)
    assert client.key is None
    written = (home / "ledger.sqlite").read_bytes()
    assert kit.redis.password.encode() not in written
    assert kit.one_time_key.encode() not in written
    assert kit.coordinator_key == load_or_make(coordinator_key_file(home)).public.text


def test_a_second_kit_by_enroll_says_that_the_site_is_cut_off(home):
    cut_off = "lyon's password has changed. Its worker is cut off until it has joined again."
    assert cut_off not in done("enroll", "lyon", "--zone", "FR", "--kit", "lyon.kit")
    assert cut_off in done("enroll", "lyon", "--zone", "FR", "--kit", "lyon-2.kit")


def test_a_kit_names_redis_as_sites_reach_it(home, monkeypatch):
    files = TlsFiles(home / "tls")
    make_tls(files, ("fed.example.org",), wall_now())
    monkeypatch.setenv(
        "FAIRWIND_KIT_REDIS_URL", f"rediss://fed.example.org:7000/2?ssl_ca_certs={files.ca}"
    )
    done("enroll", "lyon", "--zone", "FR", "--kit", "lyon.kit")
    place = read_kit(Path("lyon.kit")).redis
    assert (place.host, place.port, place.database, place.tls) == ("fed.example.org", 7000, 2, True)
    assert place.ca == files.ca.read_text()


def test_the_address_of_kits_holds_no_password(home, monkeypatch):
    monkeypatch.setenv("FAIRWIND_KIT_REDIS_URL", "redis://:secret@fed.example.org:6379/0")
    said = refused("enroll", "lyon", "--zone", "FR", "--kit", "lyon.kit")
    assert "FAIRWIND_KIT_REDIS_URL holds a user or a password" in said
    assert "secret" not in said


def test_no_private_key_travels_in_a_kit(home, monkeypatch, tmp_path):
    files = TlsFiles(tmp_path / "tls")
    make_tls(files, ("a",), wall_now())
    both = tmp_path / "both.pem"
    both.write_bytes(files.ca.read_bytes() + files.ca_key.read_bytes())
    monkeypatch.setenv("FAIRWIND_KIT_REDIS_URL", f"rediss://a:1/0?ssl_ca_certs={both}")
    assert "holds a private key" in refused("enroll", "lyon", "--zone", "FR", "--kit", "lyon.kit")
    assert not Path("lyon.kit").exists()


def test_a_file_that_is_there_is_left_and_nobody_is_enrolled(home):
    Path("lyon.kit").write_text("")
    assert "exists already" in refused("enroll", "lyon", "--zone", "FR", "--kit", "lyon.kit")
    assert "lyon" not in state(home).clients


def test_a_kit_and_a_key_exclude_each_other(home):
    key = Identity.make().public.text
    said = refused("enroll", "lyon", "--zone", "FR", "--kit", "lyon.kit", "--key", key)
    assert "exclude each other" in said


def test_a_rotated_kit_keeps_zone_and_cap_and_changes_every_secret(home):
    done("enroll", "lyon", "--zone", "FR", "--examples", "50", "--kit", "lyon.kit")
    done("rotate", "lyon", "--kit", "new.kit")
    old, new = read_kit(Path("lyon.kit")), read_kit(Path("new.kit"))
    assert (new.zone, new.num_examples, new.coordinator_key) == ("FR", 50, old.coordinator_key)
    assert new.redis.password != old.redis.password
    assert new.one_time_key != old.one_time_key
    client = state(home).clients["lyon"]
    assert client.kit_key == new.one_time.public.text
    assert client.redis_password_sha256 == password_sha256(new.redis.password)


def test_a_revoked_client_has_neither_key_nor_password(home):
    key = Identity.make().public.text
    done("enroll", "lyon", "--zone", "FR", "--kit", "lyon.kit")
    done("enroll", "oslo", "--zone", "NO-NO1", "--key", key)
    done("enroll", "lyon", "--zone", "FR", "--key", key)
    assert set(state(home).client_keys()) == {"lyon", "oslo"}
    done("revoke", "lyon")
    federation = state(home)
    client = federation.clients["lyon"]
    assert (client.key, client.kit_key, client.redis_password_sha256) == (None, None, None)
    assert set(federation.client_keys()) == {"oslo"}
    assert federation.kit_keys() == {}
    assert [client.id for client in federation.enrolled()] == ["oslo"]


@pytest.mark.parametrize("words", [("revoke", "lyon"), ("rotate", "lyon", "--kit", "new.kit")])
def test_who_is_not_enrolled_is_named(home, words):
    done("enroll", "oslo", "--zone", "NO-NO1")
    assert "No client 'lyon' is enrolled" in refused(*words)
    done("enroll", "lyon", "--zone", "FR")
    done("revoke", "lyon")
    assert "No client 'lyon' is enrolled" in refused(*words)
    assert not Path("new.kit").exists()


def test_certificates_are_made_and_their_use_is_shown(home):
    said = done("tls", "make", "--host", "fed.example.org", "--host", "10.0.0.1")
    assert f"tls-cert-file {home}/tls/redis.crt" in said
    assert f"rediss://:PASSWORD@fed.example.org:6379/0?ssl_ca_certs={home}/tls/ca.crt" in said
    assert stat.S_IMODE((home / "tls" / "redis.key").stat().st_mode) == 0o600


def test_check_names_kits_that_wait_or_expired_and_certificates_that_end(home, monkeypatch):
    done("enroll", "lyon", "--zone", "FR", "--kit", "lyon.kit")
    assert [finding.level for finding in check_kits(settings.load())] == ["ok"]
    files = TlsFiles(home / "tls")
    make_tls(files, ("a",), wall_now() - SERVER_LASTS + timedelta(days=3))
    expired = ClientEnrolled(
        zone="FR", kit_key=Identity.make().public.text, join_before=wall_now() - timedelta(days=1)
    )
    ledger = open_ledger(f"sqlite:///{home}/ledger.sqlite", GridClock())
    with ledger.transaction() as tx:
        tx.append(Draft(expired, client="lyon"))
    ledger.close()
    kits, certificate = check_kits(settings.load())
    assert (kits.level, certificate.level) == ("warning", "warning")
    assert "fairwind rotate lyon --kit FILE" in kits.text
    assert f"The certificate {files.server} ends on" in certificate.text


def test_a_site_whose_redis_does_not_answer_is_left_as_it_was(site):
    write_kit(Path("lyon.kit"), kit_of(coordinator := Identity.make()), coordinator)
    said = refused("site", "join", "lyon.kit")
    assert "Nothing was changed: Redis at 127.0.0.1:1 does not answer" in said
    assert not site.exists()
    assert "A" * 43 not in said


def test_an_expired_kit_says_so(site):
    kit = kit_of(coordinator := Identity.make(), join_before=wall_now() - timedelta(seconds=1))
    write_kit(Path("lyon.kit"), kit, coordinator)
    assert "fairwind rotate lyon --kit FILE" in refused("site", "join", "lyon.kit")


def test_a_home_of_another_client_is_refused(site):
    load_or_make(site_key_file(site, "oslo"))
    write_kit(Path("lyon.kit"), kit_of(coordinator := Identity.make()), coordinator)
    assert "is the folder of oslo, and this kit is for lyon" in refused("site", "join", "lyon.kit")


def test_a_home_of_a_coordinator_is_refused(site):
    coordinator = load_or_make(coordinator_key_file(site))
    write_kit(Path("lyon.kit"), kit_of(coordinator), coordinator)
    assert "is a coordinator's folder" in refused("site", "join", "lyon.kit")


def test_a_kit_of_another_coordinator_is_refused(site):
    trusted = Identity.make().public.text
    write_settings(site / "fairwind.toml", {"coordinator_key": trusted})
    write_kit(Path("lyon.kit"), kit_of(coordinator := Identity.make()), coordinator)
    said = refused("site", "join", "lyon.kit")
    assert f"takes work that {trusted} signed" in said
    assert "of another coordinator" in said


@pytest.mark.parametrize(
    ("name", "value"), [("FAIRWIND_REDIS_URL", NOWHERE), ("FAIRWIND_CONFIG", "/dev/null")]
)
def test_what_would_win_over_a_kit_is_named(site, name, value, monkeypatch):
    monkeypatch.setenv(name, value)
    write_kit(Path("lyon.kit"), kit_of(coordinator := Identity.make()), coordinator)
    said = refused("site", "join", "lyon.kit")
    assert name in said
    assert "would win over what the kit brings" in said


def test_settings_are_written_beside_those_of_the_administrator(tmp_path):
    path = tmp_path / "fairwind.toml"
    path.write_text(
        '# ours\npue = 1.3\nredis_url = "redis://old:1/0"\n[signal_by_zone]\nFR = "x"\n'
    )
    values = {"redis_url": 'redis://a"b:2/0', "coordinator_key": "k"}
    for _ in range(2):  # twice changes nothing more
        write_settings(path, values)
    text = path.read_text()
    assert tomllib.loads(text) == {"pue": 1.3, "signal_by_zone": {"FR": "x"}, **values}
    assert "# ours" in text
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    "text",
    [
        '[signal_by_zone]\nredis_url = "x"\n',
        'redis_url = """\nredis://old:1/0"""\n',
        '"redis_url" = "x"\n',
    ],
)
def test_a_settings_file_that_cannot_be_changed_is_left_as_it_was(text, tmp_path):
    path = tmp_path / "fairwind.toml"
    path.write_text(text)
    with pytest.raises(SettingError, match="no command can change"):
        write_settings(path, {"redis_url": "redis://new:1/0"})
    assert path.read_text() == text
